// What an importer or exporter left out, took for granted or could not tell, and how often.
#ifndef MMUSIM_TRACE_REMARK_H_
#define MMUSIM_TRACE_REMARK_H_

#include <cstdint>
#include <string>

namespace mmusim::trace {

// Shown to the user.
struct Remark {
  std::string text;  // "references before the first thread marker, left out"
  uint64_t count = 0;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_REMARK_H_
