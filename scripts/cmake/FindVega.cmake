# Vega, of which report pages have a copy in them: VEGA_FOLDER, with its modules as files.
find_path(VEGA_FOLDER vega-view.min.js PATHS /usr/share/javascript PATH_SUFFIXES javascript/vega vega
  DOC "The folder of Vega's modules (Debian: libjs-vega)")
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Vega REQUIRED_VARS VEGA_FOLDER
  REASON_FAILURE_MESSAGE "it draws what is in reports, and is installed by: apt-get install libjs-vega")
