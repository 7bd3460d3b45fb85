// The importer of Dinero's traces ("din"), for the registry.
#ifndef MMUSIM_TRACE_IMPORT_DINERO_H_
#define MMUSIM_TRACE_IMPORT_DINERO_H_

#include "trace/importer.h"

namespace mmusim::trace {

extern const Importer kDineroImporter;

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_IMPORT_DINERO_H_
