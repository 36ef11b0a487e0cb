"use strict";
// The toolbox: hides and highlights variants everywhere.
cutpoint.toolbox = { start() {} };
