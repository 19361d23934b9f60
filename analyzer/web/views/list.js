// SPDX-License-Identifier: MIT
import "./summary.js";
import "./flame.js";
import "./callers.js";
import "./functions.js";
import "./leaks.js";
import "./growth.js";
import "./frag.js";
import "./compare.js";
import "./sizes.js";
import "./temporary.js";
import "./sources.js";
