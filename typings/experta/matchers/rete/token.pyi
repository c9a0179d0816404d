from experta import Fact

class Token:
    data: set[Fact]
