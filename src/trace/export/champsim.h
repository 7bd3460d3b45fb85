// The exporter of ChampSim's traces, for the registry.
#ifndef MMUSIM_TRACE_EXPORT_CHAMPSIM_H_
#define MMUSIM_TRACE_EXPORT_CHAMPSIM_H_

#include "trace/exporter.h"

namespace mmusim::trace {

extern const Exporter kChampsimExporter;

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_EXPORT_CHAMPSIM_H_
