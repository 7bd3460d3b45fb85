// The importer of ChampSim's traces, for the registry.
#ifndef MMUSIM_TRACE_IMPORT_CHAMPSIM_H_
#define MMUSIM_TRACE_IMPORT_CHAMPSIM_H_

#include "trace/importer.h"

namespace mmusim::trace {

extern const Importer kChampsimImporter;

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_IMPORT_CHAMPSIM_H_
