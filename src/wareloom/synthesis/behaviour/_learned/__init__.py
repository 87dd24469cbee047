"""Structure that is nobody's: outlines drawn decision by decision from small tables of counts."""
