from . import rete as rete
