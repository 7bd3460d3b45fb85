// Prints records as lines of text, one per instruction, data access and event. For `trace dump`.
//
//   [1234/1235] fetch  0x401000 3
//   [1234/1235] load   0x7ffe0010 8
//   [1234/1235] mmap   hint=0x0 length=4096 prot=rw- flags=0x22 fd=-1 offset=0
//   result=0x7f0000000000
//
// Numbers that are addresses are hexadecimal with 0x, all others decimal. Text is quoted, with
// control characters, quotes and backslashes escaped as in C.
// Whole chunks before the first instruction wanted are passed over by the index, and reading ends
// behind the last.
#ifndef MMUSIM_TRACE_DUMP_H_
#define MMUSIM_TRACE_DUMP_H_

#include <fmt/format.h>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trace/part.h"
#include "trace/reader.h"

namespace mmusim::trace {

// The bytes from first to last, both included, so that the end of the address space can be.
struct AddressSpan {
  VirtAddr first;
  VirtAddr last;
  [[nodiscard]] constexpr bool touches(VirtAddr begin, uint64_t bytes) const {
    return bytes != 0 && begin <= last && begin + (bytes - 1) >= first;
  }
};

// Kinds of records: accesses by AccessKind, events by their place in Event.
using KindSet = uint64_t;
constexpr KindSet set_of(AccessKind kind) {
  return KindSet{1} << static_cast<unsigned>(kind);
}
constexpr KindSet set_of_event(size_t kind) {
  return KindSet{16} << kind;
}
static_assert(std::variant_size_v<Event> <= 60);
inline constexpr KindSet kAllKinds = ~KindSet{0};
inline constexpr KindSet kAllEvents = ~KindSet{15};
// By the name dump() prints; 0: there is none of that name.
KindSet kind_named(std::string_view name);
// All of these names.
std::vector<std::string> kind_names();

// A line is printed if all of these want it.
struct DumpOptions {
  uint64_t skip = 0;            // lines left out at the beginning, of those the others want
  uint64_t limit = UINT64_MAX;  // lines printed at most
  KindSet kinds = kAllKinds;
  std::optional<ThreadId> thread{};
  std::optional<Pid> pid{};
  std::optional<Tid> tid{};
  InstructionRange instructions{};
  // What touches a byte of these; of events those that say they are about such memory.
  std::optional<AddressSpan> addresses{};
  bool numbered = false;  // each line begins with its instruction's number (part.h)
};

// Whether the event says that it is about memory in the span.
bool concerns(const Event& event, const AddressSpan& span);

// One record: an event, or an instruction's fetch or data access.
struct DumpRecord {
  uint64_t number = 0;  // of its instruction (part.h)
  ThreadId thread{};
  const Event* event = nullptr;  // null: what follows
  AccessKind kind{};
  VirtAddr address{};
  unsigned bytes = 0;
};

// Calls `visit` with each record wanted; stops early when it returns false. Gives the number
// passed. `turn` is called now and then, records or not. Errors: Error as Reader gives.
uint64_t select_records(Reader& reader, const DumpOptions& options,
                        const std::function<bool(const DumpRecord&)>& visit,
                        const std::function<void()>& turn = {});

// The same with each as a line, without its line end.
uint64_t dump(Reader& reader, const DumpOptions& options,
              const std::function<bool(std::string_view)>& line,
              const std::function<void()>& turn = {});

// Appends the record as one JSON object, on one line, without its line end: "instruction", "pid",
// "tid", "kind", and then "address" and "bytes", or the "event" with its fields (json_fields.h).
void append_json(fmt::memory_buffer& out, const DumpRecord& record);

// What dump() prints of an event, without the thread.
std::string describe(const Event& event);

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_DUMP_H_
