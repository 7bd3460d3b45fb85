// The exporter of drmemtrace traces.
#ifndef MMUSIM_TRACE_EXPORT_DRMEMTRACE_H_
#define MMUSIM_TRACE_EXPORT_DRMEMTRACE_H_

#include "trace/exporter.h"

namespace mmusim::trace {

extern const Exporter kDrmemtraceExporter;

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_EXPORT_DRMEMTRACE_H_
