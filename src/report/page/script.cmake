# Puts the script of a report's page together: cmake -DVEGA=FOLDER -DPARTS=FILES -DOUTPUT=FILE -P script.cmake
#
# Debian's libjs-vega has Vega as the modules it is made of, each to be loaded by `require`. Those that plots need are
# wrapped in functions, and called when they are first asked for; maps, trees, word clouds and the like stay out. A module
# that is asked for and not here is an empty object, which Vega takes: it has them for projections of maps only.
set(modules util time format loader dataflow statistics scale canvas scenegraph expression selection functions
  event-selector parser runtime view transforms view-transforms encode)

set(script [=[
const vega = (() => {
  "use strict";
  const modules = {};
  const made = {};
  const need = (name) => {
    if (name === "vega-selections") name = "vega-selection";  // as Debian calls it
    if (made[name] === undefined) {
      made[name] = {};
      modules[name]?.(made[name], need, {});
    }
    return made[name];
  };
]=])
foreach(module ${modules})
  file(READ "${VEGA}/vega-${module}.min.js" text)
  string(REGEX REPLACE "\n//# sourceMappingURL=[^\n]*" "" text "${text}")
  string(APPEND script "modules[\"vega-${module}\"] = function (exports, require, module) {\n${text}\n};\n")
endforeach()
string(APPEND script [=[
  const all = {};
  for (const name of ["util", "dataflow", "scenegraph", "functions", "parser", "runtime", "view"])
    Object.assign(all, need(`vega-${name}`));
  for (const name of ["transforms", "view-transforms", "encode"]) Object.assign(all.transforms, need(`vega-${name}`));
  return all;
})();
]=])
foreach(part ${PARTS})
  file(READ "${part}" text)
  string(APPEND script "${text}")
endforeach()
# It stands inside of HTML, where this would end it.
if(script MATCHES "</script|<!--")
  message(FATAL_ERROR "the script of report pages holds what ends a script in HTML")
endif()
file(WRITE "${OUTPUT}" "${script}")
