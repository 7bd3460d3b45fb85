#include "trace/dump.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/append_format.h"
#include "trace/event_text.h"

namespace mmusim::trace {
namespace {

using Line = fmt::memory_buffer;

// Whether a call's range, or what it returned, is in the span.
struct Concerns {
  const AddressSpan& span;

  [[nodiscard]] bool at(int64_t result, uint64_t bytes) const {
    return !failed(result) && span.touches(VirtAddr(static_cast<uint64_t>(result)), bytes);
  }
  bool operator()(const ExecEvent& e) const {
    return std::any_of(e.image.begin(), e.image.end(), [&](const ImageArea& area) {
      return !area.range.empty() && span.touches(area.range.begin, area.range.bytes());
    });
  }
  bool operator()(const MmapEvent& e) const { return at(e.result, e.length); }
  bool operator()(const MremapEvent& e) const {
    return span.touches(e.old_start, e.old_length) || at(e.result, e.new_length);
  }
  bool operator()(const BrkEvent& e) const {
    return span.touches(e.requested, 1) || span.touches(e.result, 1);
  }
  // All others that have a range have it in the same two fields.
  template <class Call>
  bool operator()(const Call& e) const {
    if constexpr (requires { e.start; })
      return span.touches(e.start, e.length);
    else
      return false;
  }
};

class Selector {
 public:
  Selector(const DumpOptions& options, uint64_t first,
           const std::function<bool(const DumpRecord&)>& visit)
      : options_(options), visit_(visit), skip_(options.skip), at_(first) {}

  [[nodiscard]] uint64_t passed() const { return passed_; }

  // False: enough.
  bool batch(const Batch& batch) {
    if (passed_ == options_.limit || at_ >= options_.instructions.to) return false;
    const uint64_t first = at_;
    at_ += batch.totals.instructions;
    if (!wants(batch.thread) || (batch.event == nullptr && !may_hold_any(first, batch)))
      return true;
    thread_ = batch.thread;
    return batch.event != nullptr ? event(*batch.event, first) : blocks(batch, first);
  }

 private:
  [[nodiscard]] bool wants(ThreadId thread) const {
    return (!options_.thread || *options_.thread == thread) &&
           (!options_.pid || *options_.pid == thread.pid) &&
           (!options_.tid || *options_.tid == thread.tid);
  }

  // Also takes what need not be looked at from what is to be skipped.
  bool may_hold_any(uint64_t first, const Batch& batch) {
    if ((options_.kinds & ~kAllEvents) == 0 || at_ <= options_.instructions.from) return false;
    const bool whole = first >= options_.instructions.from && at_ <= options_.instructions.to;
    const bool every = (options_.kinds | kAllEvents) == kAllKinds && !options_.addresses;
    if (!whole || !every || batch.totals.references() > skip_) return true;
    skip_ -= batch.totals.references();
    return false;
  }

  bool event(const Event& event, uint64_t number) {
    if (!options_.instructions.contains(number)) return true;
    if ((options_.kinds & set_of_event(event.index())) == 0) return true;
    if (options_.addresses && !concerns(event, *options_.addresses)) return true;
    return pass({.number = number, .thread = thread_, .event = &event});
  }

  bool blocks(const Batch& batch, uint64_t number) {
    const uint64_t* address = batch.addresses;
    for (const uint32_t which : batch.blocks) {
      const StaticBlock& block = batch.table[which];
      bool on = true;
      walk_block(
          block, address,
          [&](unsigned i, VirtAddr pc, unsigned bytes) {
            on = on && reference(number + i, AccessKind::Fetch, pc, bytes);
          },
          [&](unsigned i, const MemOp& op, VirtAddr to) {
            on = on && reference(number + i, op.kind, to, op.bytes);
          });
      if (!on) return false;
      number += block.instructions;
    }
    return true;
  }

  bool reference(uint64_t number, AccessKind kind, VirtAddr address, unsigned bytes) {
    if ((options_.kinds & set_of(kind)) == 0 || !options_.instructions.contains(number))
      return true;
    if (options_.addresses && !options_.addresses->touches(address, bytes)) return true;
    return pass(
        {.number = number, .thread = thread_, .kind = kind, .address = address, .bytes = bytes});
  }

  bool pass(const DumpRecord& record) {
    if (skip_ != 0) {
      --skip_;
      return true;
    }
    ++passed_;
    return visit_(record) && passed_ != options_.limit;
  }

  const DumpOptions& options_;
  const std::function<bool(const DumpRecord&)>& visit_;
  uint64_t skip_;
  uint64_t at_;  // the number of the next instruction
  uint64_t passed_ = 0;
  ThreadId thread_{};
};

}  // namespace

std::string describe(const Event& event) {
  Line line;
  append_format(line, "{:<6}", name_of(event));
  write_fields(line, event);
  return fmt::to_string(line);
}

KindSet kind_named(std::string_view name) {
  for (unsigned kind = 0; kind < 4; ++kind)
    if (name == name_of(static_cast<AccessKind>(kind)))
      return set_of(static_cast<AccessKind>(kind));
  for (size_t kind = 0; kind < std::variant_size_v<Event>; ++kind)
    if (name == event_kind_name(kind)) return set_of_event(kind);
  return 0;
}

std::vector<std::string> kind_names() {
  std::vector<std::string> names;
  for (unsigned kind = 0; kind < 4; ++kind)
    names.emplace_back(name_of(static_cast<AccessKind>(kind)));
  for (size_t kind = 0; kind < std::variant_size_v<Event>; ++kind)
    names.emplace_back(event_kind_name(kind));
  return names;
}

bool concerns(const Event& event, const AddressSpan& span) {
  return std::visit(Concerns{span}, event);
}

uint64_t select_records(Reader& reader, const DumpOptions& options,
                        const std::function<bool(const DumpRecord&)>& visit,
                        const std::function<void()>& turn) {
  // Records to be skipped are of the part wanted, so what is before it may be left out unread.
  Selector selector(options, reader.skip_to(options.instructions.from), visit);
  Batch batch;
  if (options.limit == 0) return 0;
  while (reader.next(batch) && selector.batch(batch))
    if (turn) turn();
  return selector.passed();
}

void append_json(fmt::memory_buffer& out, const DumpRecord& record) {
  append_format(out, R"({{"instruction":{},"pid":{},"tid":{},"kind":"{}",)", record.number,
                record.thread.pid.value(), record.thread.tid.value(),
                record.event != nullptr ? name_of(*record.event) : name_of(record.kind));
  if (record.event != nullptr) {
    append_format(out, R"("event":{{)");
    write_json_fields(out, *record.event);
    append_format(out, "}}}}");
  } else {
    append_format(out, R"("address":"{:#x}","bytes":{}}})", record.address.value(), record.bytes);
  }
}

uint64_t dump(Reader& reader, const DumpOptions& options,
              const std::function<bool(std::string_view)>& line,
              const std::function<void()>& turn) {
  Line text;
  return select_records(
      reader, options,
      [&](const DumpRecord& record) {
        text.clear();
        if (options.numbered) append_format(text, "{} ", record.number);
        append_format(text, "[{}/{}] ", record.thread.pid.value(), record.thread.tid.value());
        if (record.event != nullptr)
          append_format(text, "{}", describe(*record.event));
        else
          append_format(text, "{:<6} {:#x} {}", name_of(record.kind), record.address.value(),
                        record.bytes);
        return line(std::string_view(text.data(), text.size()));
      },
      turn);
}

}  // namespace mmusim::trace
