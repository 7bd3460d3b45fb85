// The importer of what `perf script` prints, for the registry.
#ifndef MMUSIM_TRACE_IMPORT_PERF_H_
#define MMUSIM_TRACE_IMPORT_PERF_H_

#include "trace/importer.h"

namespace mmusim::trace {

extern const Importer kPerfImporter;

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_IMPORT_PERF_H_
