# Install rules, the exported package, so that another project can find_package(mmusim), and Debian packages (cpack). In
# components, each a package: runtime (the program, its data, manual, completion), dev (headers, libraries), python (the module).
include(CMakePackageConfigHelpers)
get_property(mmusim_libraries GLOBAL PROPERTY MMUSIM_LIBRARIES)
install(TARGETS ${mmusim_libraries} mmusim_options mmusim_plugin EXPORT mmusimTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev)
install(DIRECTORY src/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/mmusim COMPONENT dev FILES_MATCHING PATTERN "*.h")
install(DIRECTORY arch DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/mmusim COMPONENT dev FILES_MATCHING PATTERN "*.h")
set(mmusim_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/mmusim)
install(EXPORT mmusimTargets NAMESPACE mmusim:: DESTINATION ${mmusim_cmake_dir} COMPONENT dev)
configure_package_config_file(scripts/cmake/mmusimConfig.cmake.in
  "${PROJECT_BINARY_DIR}/mmusimConfig.cmake" INSTALL_DESTINATION ${mmusim_cmake_dir})
write_basic_package_version_file("${PROJECT_BINARY_DIR}/mmusimConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/mmusimConfig.cmake" "${PROJECT_BINARY_DIR}/mmusimConfigVersion.cmake"
  scripts/cmake/MmusimPlugin.cmake scripts/cmake/FindZstd.cmake scripts/cmake/FindXxhash.cmake
  scripts/cmake/FindLz4.cmake scripts/cmake/FindElfutils.cmake DESTINATION ${mmusim_cmake_dir} COMPONENT dev)

install(TARGETS mmusim RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime)
install(DIRECTORY configs workloads DESTINATION ${CMAKE_INSTALL_DATADIR}/mmusim COMPONENT runtime)
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright COMPONENT runtime)

# The manual and what shells complete: the program says it all itself.
set(mmusim_documents "${PROJECT_BINARY_DIR}/documents")
add_custom_command(OUTPUT "${mmusim_documents}/bash"
  COMMAND "${CMAKE_COMMAND}" -E rm -rf "${mmusim_documents}"
  COMMAND mmusim manual -o "${mmusim_documents}/man"
  COMMAND mmusim completion zsh > "${mmusim_documents}/zsh"
  COMMAND mmusim completion bash > "${mmusim_documents}/bash"
  DEPENDS mmusim COMMENT "Writing the manual" VERBATIM)
add_custom_target(mmusim_manual ALL DEPENDS "${mmusim_documents}/bash")
foreach(section 1 5)
  install(DIRECTORY "${mmusim_documents}/man/" DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section} COMPONENT runtime
    FILES_MATCHING PATTERN "*.${section}")
endforeach()
install(FILES "${mmusim_documents}/bash" DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME mmusim
  COMPONENT runtime)
install(FILES "${mmusim_documents}/zsh" DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions RENAME _mmusim
  COMPONENT runtime)

# Debian packages: cpack -G DEB.
set(CPACK_PACKAGE_VENDOR "mmusim")
set(MMUSIM_MAINTAINER "" CACHE STRING "Whom packages name as their maintainer: Name <address>; who made the last commit, if empty")
set(CPACK_PACKAGE_CONTACT "${MMUSIM_MAINTAINER}")
if(NOT CPACK_PACKAGE_CONTACT)
  execute_process(COMMAND git log -1 "--format=%an <%ae>" WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    OUTPUT_VARIABLE CPACK_PACKAGE_CONTACT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(NOT CPACK_PACKAGE_CONTACT)  # no checkout
  set(CPACK_PACKAGE_CONTACT "The mmusim authors <mmusim@localhost>")
endif()
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL runtime dev)
if(MMUSIM_BUILD_PYTHON)
  list(APPEND CPACK_COMPONENTS_ALL python)
endif()
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME mmusim)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SUGGESTS "qemu-user, graphviz, mmusim-dev")
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION
  "Replays what real programs did through simulated MMUs, over page tables that\ncan be swapped, and says what their translations cost.")
set(CPACK_DEBIAN_DEV_PACKAGE_NAME mmusim-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "mmusim (= ${PROJECT_VERSION}), libboost-program-options-dev, libfmt-dev, libspdlog-dev, nlohmann-json3-dev, libzstd-dev, libxxhash-dev, liblzma-dev, zlib1g-dev, liblz4-dev, libsnappy-dev, libarchive-dev, libsqlite3-dev, libdw-dev, librapidcheck-dev")
set(CPACK_COMPONENT_DEV_DESCRIPTION
  "Headers and libraries: for page tables of one's own as plug-ins, and for programs\nthat use the simulator.")
set(CPACK_DEBIAN_PYTHON_PACKAGE_NAME python3-mmusim)
set(CPACK_DEBIAN_PYTHON_PACKAGE_SECTION python)
set(CPACK_DEBIAN_PYTHON_PACKAGE_SHLIBDEPS ON)
math(EXPR next "${Python_VERSION_MINOR} + 1")
set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS
  "mmusim (= ${PROJECT_VERSION}), python3 (>= ${Python_VERSION_MAJOR}.${Python_VERSION_MINOR}), python3 (<< ${Python_VERSION_MAJOR}.${next})")
set(CPACK_DEBIAN_PYTHON_PACKAGE_RECOMMENDS "python3-pandas")
set(CPACK_COMPONENT_PYTHON_DESCRIPTION
  "Python module of mmusim: runs, comparisons, sweeps and curves as dictionaries\nand pandas frames; traces read and written.")
include(CPack)
