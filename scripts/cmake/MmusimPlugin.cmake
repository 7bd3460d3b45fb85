# For the projects of others, through find_package(mmusim):
#
#   mmusim_add_page_table(<name> SOURCES ...)
#
# makes lib<name>.so, a page table for --page-table ./lib<name>.so. It links no library of mmusim: the program that loads
# it has what it calls. mmusim::plugin is what such a target needs to compile: the headers.
function(mmusim_add_page_table name)
  cmake_parse_arguments(ARG "" "" "SOURCES" ${ARGN})
  add_library(${name} MODULE ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE mmusim::plugin)
endfunction()
