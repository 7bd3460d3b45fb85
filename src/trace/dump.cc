#include "trace/dump.h"

#include <fmt/format.h>
#include <iterator>

#include "trace/event_text.h"

namespace mmusim::trace {
namespace {

using Line = fmt::memory_buffer;

template <class... Arguments>
void add(Line& line, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  fmt::format_to(std::back_inserter(line), format, std::forward<Arguments>(arguments)...);
}

class Dumper {
 public:
  Dumper(const DumpOptions& options, const std::function<bool(std::string_view)>& line)
      : options_(options), pass_(line), skip_(options.skip) {}

  [[nodiscard]] uint64_t passed() const { return passed_; }

  // False: enough.
  bool batch(const Batch& batch) {
    if (passed_ == options_.limit) return false;
    if (options_.thread && *options_.thread != batch.thread) return true;
    prefix_ = fmt::format("[{}/{}] ", batch.thread.pid.value(), batch.thread.tid.value());
    if (batch.event != nullptr) {
      if (skipped()) return true;
      start();
      fmt::format_to(std::back_inserter(line_), "{}", describe(*batch.event));
      return end();
    }
    if (options_.events_only) return true;
    if (batch.totals.references() <= skip_) {
      skip_ -= batch.totals.references();
      return true;
    }
    const uint64_t* address = batch.addresses;
    for (const uint32_t number : batch.blocks) {
      if (!block(batch.table[number], address)) return false;
    }
    return true;
  }

 private:
  bool block(const StaticBlock& block, const uint64_t*& address) {
    uint64_t pc = block.start.value();
    unsigned op = 0;
    for (unsigned i = 0; i < block.instructions; ++i) {
      if (!reference(AccessKind::Fetch, pc, block.lengths[i])) return false;
      pc += block.lengths[i];
      for (; op < block.mem_ops && block.ops[op].instruction == i; ++op) {
        if (!reference(block.ops[op].kind, *address++, block.ops[op].bytes)) return false;
      }
    }
    return true;
  }

  bool reference(AccessKind kind, uint64_t address, unsigned bytes) {
    if (skipped()) return true;
    start();
    add(line_, "{:<6} {:#x} {}", name_of(kind), address, bytes);
    return end();
  }

  bool skipped() {
    if (skip_ == 0) return false;
    --skip_;
    return true;
  }
  void start() {
    line_.clear();
    line_.append(prefix_.data(), prefix_.data() + prefix_.size());
  }
  bool end() {
    ++passed_;
    return pass_(std::string_view(line_.data(), line_.size())) && passed_ != options_.limit;
  }

  const DumpOptions& options_;
  const std::function<bool(std::string_view)>& pass_;
  uint64_t skip_;
  uint64_t passed_ = 0;
  std::string prefix_;
  Line line_;
};

}  // namespace

std::string describe(const Event& event) {
  Line line;
  add(line, "{:<6}", name_of(event));
  write_fields(line, event);
  return fmt::to_string(line);
}

uint64_t dump(Reader& reader, const DumpOptions& options,
              const std::function<bool(std::string_view)>& line) {
  Dumper dumper(options, line);
  Batch batch;
  if (options.limit == 0) return 0;
  while (reader.next(batch) && dumper.batch(batch)) {
  }
  return dumper.passed();
}

}  // namespace mmusim::trace
