// The importer for DynamoRIO's drmemtrace traces.
#ifndef MMUSIM_TRACE_IMPORT_DRMEMTRACE_H_
#define MMUSIM_TRACE_IMPORT_DRMEMTRACE_H_

#include "trace/importer.h"

namespace mmusim::trace {

extern const Importer kDrmemtraceImporter;

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_IMPORT_DRMEMTRACE_H_
