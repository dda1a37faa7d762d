return { runn = function() end }
