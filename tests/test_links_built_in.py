"""The links of the built-in knowledge base: each has a patient for whom it is shown, and nothing else follows from it."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from crampdx.engine.inference.outcome import Outcome, outcome
from crampdx.engine.inference.reference import infer
from crampdx.engine.knowledge.document import document_only

from at_hand import built_in
from small_worlds import patient

# Of each patient, no more than the link takes: both its ends, and its condition.
PATIENTS = {
    "diuretic-and-low-potassium": "thiazide_diuretic_use: yes, serum_potassium: 3.1 mmol/L",
    "medicine-and-disturbed-salts": "long_term_proton_pump_inhibitor_use: yes, serum_magnesium: 0.6 mmol/L",
    "medicine-and-low-sodium": "antidepressant_use: yes, serum_sodium: 120 mmol/L",
    "medicine-and-low-calcium": "bone_antiresorptive_use: yes, adjusted_calcium: 1.8 mmol/L",
    "chemotherapy-and-neuropathy": "neurotoxic_chemotherapy_use: yes, numbness_both_feet: yes, symptoms_returned_on_restart: yes",
    "dopamine-blocker-and-dystonia": "antipsychotic_use: yes, onset_after_drug: 3 days",
    "medicine-and-restless-legs": "urge_to_move_legs: yes, dopamine_blocking_antiemetic_use: yes, onset_after_drug: 3 weeks",
    "underactive-thyroid-and-statin": "statin_use: yes, symmetrical_thigh_ache: yes, thyroid_stimulating_hormone: 40 mIU/L",
    "underactive-thyroid-and-statin-muscle-symptoms": "statin_use: yes, symmetrical_thigh_ache: yes, thyroid_stimulating_hormone: 40 mIU/L",
    "metabolic-myopathy-and-statin-muscle-symptoms": "statin_use: yes, symmetrical_thigh_ache: yes, second_wind: yes",
    "statin-and-myositis": "statin_use: yes, symmetrical_thigh_ache: yes, anti_hmgcr_antibodies: yes, symptom_duration: 3 months",
    "statin-and-muscle-breakdown": "statin_use: yes, symmetrical_thigh_ache: yes, statin_interacting_medicine_use: yes, dark_urine: yes",
    "underactive-thyroid-and-neuropathy": "thyroid_stimulating_hormone: 40 mIU/L, numbness_both_feet: yes",
    "underactive-thyroid-and-compartment-syndrome": "thyroid_stimulating_hormone: 40 mIU/L, pain_disproportionate: yes, trauma: no",
    "muscle-breakdown-and-compartment-syndrome": "dark_urine: yes, tense_compartment: yes",
    "muscle-breakdown-and-low-calcium": "dark_urine: yes, adjusted_calcium: 2.0 mmol/L",
    "metabolic-myopathy-and-muscle-breakdown": "second_wind: yes, dark_urine: yes",
    "lost-water-and-salt-and-exercise-cramps": "cramp_during_or_just_after_exercise: yes, serum_sodium: 132 mmol/L",
    "overuse-and-exercise-cramps": "cramp_during_or_just_after_exercise: yes, training_load_increase: yes",
    "amyloidosis-and-neuropathy": "macroglossia: yes, numbness_both_feet: yes",
    "sarcoidosis-and-neuropathy": "known_sarcoidosis: yes, burning_both_feet: yes",
    "sarcoidosis-and-high-calcium": "known_sarcoidosis: yes, leg_cramps: yes, adjusted_calcium: 2.9 mmol/L",
    "dialysis-and-amyloidosis": "haemodialysis: yes, macroglossia: yes",
    "kidney-disease-and-neuropathy": "haemodialysis: yes, numbness_both_feet: yes",
    "kidney-disease-and-narrowed-arteries": "haemodialysis: yes, left_ankle_brachial_index: 0.7 ratio",
    "kidney-disease-and-low-calcium": "haemodialysis: yes, adjusted_calcium: 1.8 mmol/L",
    "kidney-disease-and-restless-legs": "haemodialysis: yes, urge_to_move_legs: yes",
    "diabetes-and-neuropathy": "diabetes: yes, reduced_monofilament_sense: yes",
    "diabetes-and-narrowed-arteries": "diabetes: yes, chronic_kidney_disease: yes, left_ankle_brachial_index: 0.7 ratio",
    "diabetes-and-lost-water-and-salt": "diabetes: yes, polyuria: yes, unexplained_weight_loss: yes",
    "alcohol-and-disturbed-salts": "alcohol_excess: yes, serum_magnesium: 0.6 mmol/L",
    "alcohol-and-neuropathy": "alcohol_excess: yes, difficulty_climbing_stairs: yes, numbness_both_feet: yes",
    "alcohol-and-muscle-breakdown": "alcohol_binge: yes, difficulty_climbing_stairs: yes, dark_urine: yes",
    "alcohol-and-cirrhosis": "alcohol_excess: yes, difficulty_climbing_stairs: yes, cirrhosis: yes",
    "narrowed-arteries-and-acute-limb-ischaemia": "left_ankle_brachial_index: 0.7 ratio, claudication_suddenly_worse: yes, acute_arterial_occlusion_on_imaging: yes",
    "narrow-canal-and-cauda-equina": "pain_on_standing_alone: yes, relief_needs_sitting: yes, saddle_numbness: yes",
    "low-calcium-and-disturbed-salts": "adjusted_calcium: 1.8 mmol/L",
}


def concluded(given: dict[str, str]) -> Outcome:
    knowledge = built_in()
    findings = patient(given, knowledge).findings
    return outcome(knowledge, findings, infer(knowledge, findings))


def links(given: dict[str, str]) -> set[str]:
    return {link.id for link, _ in concluded(given).links}


def test_every_link_has_its_patient() -> None:
    """A link that nobody shows would be an idle promise."""
    assert set(PATIENTS) == set(built_in().links)


@pytest.mark.parametrize("id", PATIENTS)
def test_a_link_is_shown_for_its_patient_and_needs_all_of_it(id: str) -> None:
    """With any of the findings unknown it is not shown, so that each end and each part of the condition counts."""
    given = dict(words.split(": ") for words in PATIENTS[id].split(", "))
    assert id in links(given)
    for name in given:
        assert id not in links({other: value for other, value in given.items() if other != name}), name


def test_links_move_nothing() -> None:
    """Levels, points and urgency are the same without them."""
    knowledge = built_in()
    bare = replace(knowledge, links=MappingProxyType({}))
    for words in PATIENTS.values():
        findings = patient(dict(part.split(": ") for part in words.split(", ")), knowledge).findings
        linked, plain = (outcome(k, findings, infer(k, findings)) for k in (knowledge, bare))
        assert linked.links and not plain.links
        assert linked.urgency == plain.urgency
        assert [x.conclusion for x in linked.lines] == [x.conclusion for x in plain.lines]


def test_a_risk_alone_is_not_called_the_cause() -> None:
    """Heavy drinking and kidney disease make neuropathy possible by themselves: no link without a symptom or sign of it."""
    for risks in (("alcohol_excess", "difficulty_climbing_stairs"), ("chronic_kidney_disease", "haemodialysis")):
        given = dict.fromkeys(risks, "yes")
        assert concluded(given).conclusion("peripheral_neuropathy").level == "possible"
        assert not any(link.effect == "peripheral_neuropathy" for link, _ in concluded(given).links)


def test_the_document_alone_keeps_the_links_between_its_own() -> None:
    """Those that the source document's evidence names: a diuretic and potassium, thyroid and statin, amyloid and nerves."""
    kept = document_only(built_in()).links
    assert {"diuretic-and-low-potassium", "underactive-thyroid-and-statin", "amyloidosis-and-neuropathy"} <= set(kept)
    assert not {end for link in kept.values() for end in (link.cause, link.effect)} & built_in().beyond
