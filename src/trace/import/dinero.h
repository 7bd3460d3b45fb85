// The importer of Dinero's traces ("din"), for the registry.
#ifndef MMUSIM_TRACE_IMPORT_DINERO_H_
#define MMUSIM_TRACE_IMPORT_DINERO_H_

#include <string_view>

#include "trace/importer.h"

namespace mmusim::trace {

extern const Importer kDineroImporter;

// Whether a file that begins with these lines is one of Dinero's.
bool begins_dinero(std::string_view lines);

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_IMPORT_DINERO_H_
