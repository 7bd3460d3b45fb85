// The exporter of plain text, for the registry.
#ifndef MMUSIM_TRACE_EXPORT_TEXT_H_
#define MMUSIM_TRACE_EXPORT_TEXT_H_

#include "trace/exporter.h"

namespace mmusim::trace {

extern const Exporter kTextExporter;

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_EXPORT_TEXT_H_
