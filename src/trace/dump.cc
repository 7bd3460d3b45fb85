#include "trace/dump.h"

#include <fmt/format.h>
#include <iterator>

#include "base/printable.h"

namespace mmusim::trace {
namespace {

using Line = fmt::memory_buffer;

template <class... Arguments>
void add(Line& line, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  fmt::format_to(std::back_inserter(line), format, std::forward<Arguments>(arguments)...);
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return printable(out) + '"';
}

std::string rights(uint32_t prot) {
  std::string out = {(prot & 1) != 0 ? 'r' : '-', (prot & 2) != 0 ? 'w' : '-',
                     (prot & 4) != 0 ? 'x' : '-'};
  if ((prot & ~7u) != 0) out += fmt::format("+{:#x}", prot & ~7u);
  return out;
}

// A result is an address or a negative error number.
std::string address_result(int64_t result) {
  return result < 0 && result > -4096 ? fmt::format("{}", result)
                                      : fmt::format("{:#x}", static_cast<uint64_t>(result));
}

struct Describe {
  Line& line;

  void operator()(const ExecEvent& e) const {
    add(line, " program={} brk={:#x} stack_top={:#x} arguments=[", quoted(e.program), e.brk.value(),
        e.stack_top.value());
    for (size_t i = 0; i < e.arguments.size(); ++i) {
      add(line, "{}{}", i == 0 ? "" : " ", quoted(e.arguments[i]));
    }
    add(line, "] image=[");
    for (size_t i = 0; i < e.image.size(); ++i) {
      const ImageArea& area = e.image[i];
      add(line, "{}{:#x}-{:#x} {} flags={:#x} offset={} {}", i == 0 ? "" : "; ",
          area.range.begin.value(), area.range.end.value(), rights(area.prot), area.flags,
          area.file_offset, quoted(area.name));
    }
    add(line, "]");
  }
  void operator()(const MmapEvent& e) const {
    add(line, " hint={:#x} length={} prot={} flags={:#x} fd={} offset={} result={}", e.hint.value(),
        e.length, rights(e.prot), e.flags, e.fd, e.offset, address_result(e.result));
    if (!e.file.empty()) add(line, " file={}", quoted(e.file));
  }
  void operator()(const MunmapEvent& e) const {
    add(line, " start={:#x} length={} result={}", e.start.value(), e.length, e.result);
  }
  void operator()(const MprotectEvent& e) const {
    add(line, " start={:#x} length={} prot={} result={}", e.start.value(), e.length, rights(e.prot),
        e.result);
  }
  void operator()(const MremapEvent& e) const {
    add(line, " old_start={:#x} old_length={} new_length={} flags={:#x} new_hint={:#x} result={}",
        e.old_start.value(), e.old_length, e.new_length, e.flags, e.new_hint.value(),
        address_result(e.result));
  }
  void operator()(const BrkEvent& e) const {
    add(line, " requested={:#x} result={:#x}", e.requested.value(), e.result.value());
  }
  void operator()(const MadviseEvent& e) const {
    add(line, " start={:#x} length={} advice={} result={}", e.start.value(), e.length, e.advice,
        e.result);
  }
  void operator()(const ForkEvent& e) const {
    add(line, " child={}/{} clone_flags={:#x} shares_memory={}", e.child.pid.value(),
        e.child.tid.value(), e.clone_flags, e.shares_memory ? "yes" : "no");
  }
  void operator()(const ExitEvent& e) const {
    add(line, " status={} whole_process={}", e.status, e.whole_process ? "yes" : "no");
  }
  void operator()(const WaitEvent& e) const {
    add(line, " child={} status={}", e.child.value(), e.status);
  }
  void operator()(const SwitchEvent& e) const { add(line, " cpu={}", e.cpu.value()); }
  void operator()(const MarkerEvent& e) const { add(line, " text={}", quoted(e.text)); }
  void operator()(const TruncateEvent& e) const {
    add(line, " fd={} length={} result={}", e.fd, e.length, e.result);
    if (!e.file.empty()) add(line, " file={}", quoted(e.file));
  }
  void operator()(const FallocateEvent& e) const {
    add(line, " fd={} mode={:#x} offset={} length={} result={}", e.fd, e.mode, e.offset, e.length,
        e.result);
    if (!e.file.empty()) add(line, " file={}", quoted(e.file));
  }
  void operator()(const MsyncEvent& e) const {
    add(line, " start={:#x} length={} flags={:#x} result={}", e.start.value(), e.length, e.flags,
        e.result);
  }
  void operator()(const LockEvent& e) const {
    static constexpr const char* kWhat[] = {"lock", "unlock", "lock-all", "unlock-all"};
    add(line, " what={} start={:#x} length={} flags={:#x} result={}",
        e.what < std::size(kWhat) ? kWhat[e.what] : "unknown", e.start.value(), e.length, e.flags,
        e.result);
  }
  void operator()(const ThpEvent& e) const {
    add(line, " disable={} flags={:#x} result={}", e.disable, e.flags, e.result);
  }
  void operator()(const ProcessMadviseEvent& e) const {
    add(line, " target={} start={:#x} length={} advice={} result={}", e.target.value(),
        e.start.value(), e.length, e.advice, e.result);
  }
  void operator()(const OtherCallEvent& e) const {
    add(line, " name={} result={}", quoted(e.name), e.result);
  }
};

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
  std::visit(Describe{line}, event);
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
