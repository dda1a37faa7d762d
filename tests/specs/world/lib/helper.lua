return { twice = function(n) return 2 * n end }
