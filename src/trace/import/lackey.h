// The importer for logs of Valgrind's lackey tool.
#ifndef MMUSIM_TRACE_IMPORT_LACKEY_H_
#define MMUSIM_TRACE_IMPORT_LACKEY_H_

#include "trace/importer.h"

namespace mmusim::trace {

extern const Importer kLackeyImporter;

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_IMPORT_LACKEY_H_
