# Install rules and the exported package, so that another project can find_package(mmusim).
include(CMakePackageConfigHelpers)
get_property(mmusim_libraries GLOBAL PROPERTY MMUSIM_LIBRARIES)
install(TARGETS ${mmusim_libraries} mmusim_options mmusim_plugin EXPORT mmusimTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS mmusim RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY src/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/mmusim FILES_MATCHING PATTERN "*.h")
install(DIRECTORY arch DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/mmusim FILES_MATCHING PATTERN "*.h")
install(DIRECTORY configs workloads DESTINATION ${CMAKE_INSTALL_DATADIR}/mmusim)
set(mmusim_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/mmusim)
install(EXPORT mmusimTargets NAMESPACE mmusim:: DESTINATION ${mmusim_cmake_dir})
configure_package_config_file(scripts/cmake/mmusimConfig.cmake.in
  "${PROJECT_BINARY_DIR}/mmusimConfig.cmake" INSTALL_DESTINATION ${mmusim_cmake_dir})
write_basic_package_version_file("${PROJECT_BINARY_DIR}/mmusimConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/mmusimConfig.cmake" "${PROJECT_BINARY_DIR}/mmusimConfigVersion.cmake"
  scripts/cmake/MmusimPlugin.cmake scripts/cmake/FindZstd.cmake scripts/cmake/FindXxhash.cmake
  scripts/cmake/FindLz4.cmake DESTINATION ${mmusim_cmake_dir})
