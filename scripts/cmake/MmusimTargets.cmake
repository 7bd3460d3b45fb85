# Compiler settings shared by every target, and the two functions every folder's CMakeLists.txt uses.

set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# A library's files need not wait for the libraries it will be linked with.
set(CMAKE_OPTIMIZE_DEPENDENCIES ON)

add_library(mmusim_options INTERFACE)
add_library(mmusim::options ALIAS mmusim_options)
set_target_properties(mmusim_options PROPERTIES EXPORT_NAME options)
target_compile_features(mmusim_options INTERFACE cxx_std_20)
set(mmusim_warnings -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Wold-style-cast
    -Woverloaded-virtual -Wcast-qual)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  list(APPEND mmusim_warnings -Wno-restrict)  # false alarms on std::string (GCC bug 105651)
endif()
set(mmusim_false_alarms  # of GCC 12 on std::string, at -O1 or with a precompiled header
    $<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread>)
if(CMAKE_UNITY_BUILD)
  # Of files that read the same headers and need the same templates, the more in one the less they cost together: a
  # sixth less than in eights.
  set(CMAKE_UNITY_BUILD_BATCH_SIZE 16)
  # Of GCC, about a class in a .cc with members of an unnamed namespace: in a unity build it takes the .cc for a header.
  list(APPEND mmusim_false_alarms $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endif()
if(MMUSIM_WERROR)
  list(APPEND mmusim_warnings -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC collects its garbage whenever its memory has doubled from 128 MiB on, a twelfth of what the largest files take;
  # from 512 MiB on few files do.
  target_compile_options(mmusim_options INTERFACE $<BUILD_INTERFACE:--param=ggc-min-heapsize=524288>)
endif()

# What runs once per command (COLD) costs more to optimise than it ever takes: under a sanitizer not at all, else a little.
set(mmusim_cold_options)
if(CMAKE_CXX_FLAGS MATCHES "-fsanitize")
  set(mmusim_cold_options -O0)
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  set(mmusim_cold_options -O1)
endif()

# The headers nearly every file of src/ and arch/ reads, compiled once for all libraries: half of what a file costs is
# the standard library and fmt. A file still includes what it uses (an installed header has no such help).
set(mmusim_common_headers <algorithm> <array> <functional> <map> <memory> <optional> <set> <span> <string> <string_view>
    <unordered_map> <utility> <vector> <fmt/format.h>)
set(MMUSIM_HEADER_FILE "${CMAKE_CURRENT_LIST_DIR}/common_header.cc")
function(mmusim_make_header name)
  add_library(${name} OBJECT "${MMUSIM_HEADER_FILE}")
  target_compile_options(${name} PRIVATE ${mmusim_warnings} ${mmusim_false_alarms} ${ARGN})
  target_link_libraries(${name} PRIVATE mmusim_options fmt::fmt)
  target_precompile_headers(${name} PRIVATE ${mmusim_common_headers})
endfunction()
function(mmusim_common_header)
  mmusim_make_header(mmusim_common_header)
  if(mmusim_cold_options)  # a compiler takes a precompiled header only of its own optimisation
    mmusim_make_header(mmusim_cold_header ${mmusim_cold_options})
  endif()
endfunction()

# mmusim_library(<folder-name> SOURCES ... [COLD] [COLD_SANITIZED] [DEPS <mmusim libraries>] [LIBS <outside libraries>])
# COLD_SANITIZED: COLD under a sanitizer, where its tests take less than optimising it for them would.
# Makes mmusim_<name> with alias mmusim::<name>. DEPS are other folders' libraries, public.
function(mmusim_library name)
  cmake_parse_arguments(ARG "COLD;COLD_SANITIZED" "" "SOURCES;DEPS;LIBS;PRIVATE_LIBS" ${ARGN})
  if(ARG_COLD_SANITIZED AND CMAKE_CXX_FLAGS MATCHES "-fsanitize")
    set(ARG_COLD TRUE)
  endif()
  if(ARG_SOURCES)
    add_library(mmusim_${name} STATIC ${ARG_SOURCES})
    set(scope PUBLIC)
    target_compile_options(mmusim_${name} PRIVATE ${mmusim_warnings} ${mmusim_false_alarms})
    if(ARG_COLD AND mmusim_cold_options)
      target_compile_options(mmusim_${name} PRIVATE ${mmusim_cold_options})
      target_precompile_headers(mmusim_${name} REUSE_FROM mmusim_cold_header)
    else()
      target_precompile_headers(mmusim_${name} REUSE_FROM mmusim_common_header)
    endif()
  else()
    add_library(mmusim_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(mmusim::${name} ALIAS mmusim_${name})
  target_include_directories(mmusim_${name} ${scope}
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/mmusim>)
  target_link_libraries(mmusim_${name} ${scope} mmusim_options ${ARG_LIBS})
  foreach(dep ${ARG_DEPS})
    target_link_libraries(mmusim_${name} ${scope} mmusim_${dep})
  endforeach()
  if(ARG_PRIVATE_LIBS)
    target_link_libraries(mmusim_${name} PRIVATE ${ARG_PRIVATE_LIBS})
  endif()
  set_target_properties(mmusim_${name} PROPERTIES EXPORT_NAME ${name})
  set_property(GLOBAL APPEND PROPERTY MMUSIM_LIBRARIES mmusim_${name})
endfunction()

# What a plug-in is compiled with. Only headers: a second copy of mmusim's code in it would have objects of its own.
add_library(mmusim_plugin INTERFACE)
add_library(mmusim::plugin ALIAS mmusim_plugin)
set_target_properties(mmusim_plugin PROPERTIES EXPORT_NAME plugin)
target_include_directories(mmusim_plugin INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/mmusim>)
target_link_libraries(mmusim_plugin INTERFACE mmusim_options fmt::fmt)

# mmusim_loads_page_tables(<executable>): it may load page tables built as plug-ins (src/pt/plugin.h), so it holds all of
# what those may call, and shows it to them.
function(mmusim_loads_page_tables name)
  set_target_properties(${name} PROPERTIES ENABLE_EXPORTS ON)
  foreach(library base config mem pt)
    target_link_libraries(${name} PRIVATE mmusim_${library})
    target_link_options(${name} PRIVATE
      "LINKER:--push-state,--whole-archive,$<TARGET_FILE:mmusim_${library}>,--pop-state")
  endforeach()
endfunction()

# What all tests have in common is compiled once: a precompiled header, which asks that all are compiled alike. Of the
# optimiser a test of one part needs nothing, as most of what it costs is its compilation; one that compares whole
# machines by itself (OPTIMIZED) needs no more than -O1.
function(mmusim_test_settings name optimized)
  set(level -O0)
  if(optimized)
    set(level -O1)
  endif()
  target_compile_options(${name} PRIVATE ${mmusim_warnings} ${mmusim_false_alarms} $<$<NOT:$<CONFIG:Debug>>:${level}>)
  target_compile_definitions(${name} PRIVATE MMUSIM_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE mmusim_options GTest::gtest GTest::gmock Boost::program_options fmt::fmt
    spdlog::spdlog)
endfunction()
function(mmusim_test_header name optimized)
  # A program, since a library's flags (-fPIC) would not be those of the tests.
  add_executable(${name} "${PROJECT_SOURCE_DIR}/scripts/cmake/test_header.cc")
  mmusim_test_settings(${name} ${optimized})
  target_precompile_headers(${name} PRIVATE <gmock/gmock.h> <gtest/gtest.h> <algorithm> <filesystem>
    <functional> <map> <memory> <string> <vector>)
endfunction()

# mmusim_test_models(<name> SOURCES ... DEPS <mmusim libraries> [LIBS ...]): second implementations that tests run a lot,
# optimised where the tests themselves are not: compiling those with -O1 and a sanitizer takes longer than they run.
function(mmusim_test_models name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LIBS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  mmusim_test_settings(${name} TRUE)
  foreach(dep ${ARG_DEPS})
    target_link_libraries(${name} PUBLIC mmusim_${dep})
  endforeach()
  target_link_libraries(${name} PRIVATE ${ARG_LIBS})
endfunction()

# mmusim_test(<name> SOURCES ... DEPS <mmusim libraries> [OPTIMIZED] [SHARDS <n>] [LIBS ...] [LABELS ...]): a GoogleTest
# program, which ctest runs as a whole, since one process for each of two thousand cases would take longer than the
# cases; a long one as so many tests (<name>.0, ...) that can run side by side.
# Tests find data below ${MMUSIM_SOURCE_DIR} (a macro holding the path of the checkout).
function(mmusim_test name)
  cmake_parse_arguments(ARG "OPTIMIZED" "SHARDS" "SOURCES;DEPS;LIBS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  mmusim_test_settings(${name} ${ARG_OPTIMIZED})
  # All in one: what a file of tests costs is mostly the headers, and what of them is made anew for each.
  set_target_properties(${name} PROPERTIES UNITY_BUILD_BATCH_SIZE 0)
  if(ARG_OPTIMIZED)
    target_precompile_headers(${name} REUSE_FROM mmusim_optimized_test_header)
  else()
    target_precompile_headers(${name} REUSE_FROM mmusim_test_header)
  endif()
  foreach(dep ${ARG_DEPS})
    target_link_libraries(${name} PRIVATE mmusim_${dep})
  endforeach()
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} GTest::gtest_main)
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)  # an empty value would shift the properties behind it
  endif()
  if(NOT ARG_SHARDS)
    add_test(NAME ${name} COMMAND ${name} --gtest_brief=1)
    set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 900)
    return()
  endif()
  math(EXPR last "${ARG_SHARDS} - 1")
  foreach(shard RANGE ${last})
    add_test(NAME ${name}.${shard} COMMAND ${name} --gtest_brief=1)
    set_tests_properties(${name}.${shard} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 900 COST ${ARG_SHARDS}
      ENVIRONMENT "GTEST_TOTAL_SHARDS=${ARG_SHARDS};GTEST_SHARD_INDEX=${shard}")
  endforeach()
endfunction()
