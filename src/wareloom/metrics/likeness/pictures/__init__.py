"""How synthetic pictures look beside real ones, in what a frozen encoder sees."""
