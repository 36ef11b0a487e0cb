"use strict";
// The gallery.
cutpoint.gallery = { start() {} };
