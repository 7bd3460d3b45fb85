// The importer of plain text, for the registry. The format is described in README.md.
#ifndef MMUSIM_TRACE_IMPORT_TEXT_H_
#define MMUSIM_TRACE_IMPORT_TEXT_H_

#include <string_view>

#include "trace/importer.h"

namespace mmusim::trace {

extern const Importer kTextImporter;

// Whether a file that begins with these lines is plain text.
bool begins_plain_text(std::string_view lines);

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_IMPORT_TEXT_H_
