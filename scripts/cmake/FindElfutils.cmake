# Finds elfutils' libdw and libelf, which come without a CMake config. Target: Elfutils::dw
find_path(Elfutils_INCLUDE_DIR elfutils/libdwfl.h)
find_library(Elfutils_DW_LIBRARY dw)
find_library(Elfutils_ELF_LIBRARY elf)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Elfutils REQUIRED_VARS Elfutils_DW_LIBRARY Elfutils_ELF_LIBRARY Elfutils_INCLUDE_DIR)
if(Elfutils_FOUND AND NOT TARGET Elfutils::dw)
  add_library(Elfutils::dw UNKNOWN IMPORTED)
  set_target_properties(Elfutils::dw PROPERTIES IMPORTED_LOCATION "${Elfutils_DW_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${Elfutils_INCLUDE_DIR}" INTERFACE_LINK_LIBRARIES "${Elfutils_ELF_LIBRARY}")
endif()
