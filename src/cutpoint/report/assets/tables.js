"use strict";
// Tables: the HTML table is there without this script. It becomes sortable and filterable.
cutpoint.tables = { start() {} };
