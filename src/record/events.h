// System calls as a trace has them: from numbers and arguments of the recorded ISA to the events of
// trace/record.h, with their asm-generic values.
#ifndef MMUSIM_RECORD_EVENTS_H_
#define MMUSIM_RECORD_EVENTS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "record/isa.h"
#include "trace/record.h"

namespace mmusim::record {

// Words of a plug-in's event, read in order. Reading past their end is an InternalError.
class WordReader {
 public:
  explicit WordReader(std::span<const uint64_t> words) : words_(words) {}
  uint64_t word();
  std::string text();

 private:
  std::span<const uint64_t> words_;
  size_t at_ = 0;
};

struct MadeCall {
  Call call = Call::None;
  int64_t result = 0;
  uint64_t arguments[6] = {};
  std::string file;
};
MadeCall read_call(WordReader& words);

// Nothing: the call is no event (a prctl about something else).
std::optional<trace::Event> memory_event(const Isa& isa, MadeCall call);

trace::ExecEvent image_event(WordReader& words);

}  // namespace mmusim::record

#endif  // MMUSIM_RECORD_EVENTS_H_
