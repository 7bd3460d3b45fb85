#include "trace/merge.h"

#include "base/error.h"
#include "base/units.h"
#include "trace/part.h"

namespace mmusim::trace {
namespace {

// One of the traces, as far as it has been read.
class Part {
 public:
  Part(const std::string& path, uint32_t first_id, const ReaderOptions& options)
      : reader_(path, options) {
    result_.path = path;
    result_.first_id = first_id;
  }

  // A turn of so many instructions; false: nothing is left.
  bool turn(uint64_t quantum, Writer& writer) {
    if (!fill()) return false;
    ++result_.turns;
    while (quantum != 0 && fill()) {
      writer.thread(own(batch_.thread));
      if (batch_.event != nullptr) {
        writer.event(own(*batch_.event));
        ++result_.totals.events;
        have_ = false;
      } else {
        run(quantum, writer);
      }
    }
    return true;
  }

  [[nodiscard]] const Reader& reader() const { return reader_; }
  [[nodiscard]] const MergedTrace& result() const { return result_; }

 private:
  // Whether there is a batch with something left in it.
  bool fill() {
    if (have_) return true;
    have_ = reader_.next(batch_);
    block_ = 0;
    instruction_ = 0;
    address_ = batch_.addresses;
    return have_;
  }

  // Blocks of the batch, until it or the turn is at its end; the last perhaps in part.
  void run(uint64_t& quantum, Writer& writer) {
    while (block_ < batch_.blocks.size()) {
      if (quantum == 0) return;
      const StaticBlock& block = batch_.table[batch_.blocks[block_]];
      const auto count =
          static_cast<unsigned>(std::min<uint64_t>(quantum, block.instructions - instruction_));
      const uint64_t* address = address_;
      write_slice(writer, block, address, {instruction_, instruction_ + count});
      quantum -= count;
      instruction_ += count;
      if (instruction_ < block.instructions) return;
      instruction_ = 0;
      address_ = address;
      ++block_;
    }
    result_.totals += batch_.totals;
    have_ = false;
  }

  [[nodiscard]] uint32_t own(uint32_t id) const {
    if (id >= kMergeIdStep)
      throw Error(result_.path, fmt::format("it has a process or thread {}", id),
                  fmt::format("traces to be merged have ids below {}", format_count(kMergeIdStep)));
    return id + result_.first_id;
  }
  [[nodiscard]] ThreadId own(ThreadId id) const {
    return {Pid(own(id.pid.value())), Tid(own(id.tid.value()))};
  }
  [[nodiscard]] Event own(const Event& event) const {
    Event changed = event;
    if (auto* const fork = std::get_if<ForkEvent>(&changed)) fork->child = own(fork->child);
    if (auto* const wait = std::get_if<WaitEvent>(&changed))
      wait->child = Pid(own(wait->child.value()));
    if (auto* const advice = std::get_if<ProcessMadviseEvent>(&changed))
      advice->target = Pid(own(advice->target.value()));
    return changed;
  }

  Reader reader_;
  Batch batch_;
  bool have_ = false;
  size_t block_ = 0;
  unsigned instruction_ = 0;           // of the block
  const uint64_t* address_ = nullptr;  // of the block's first data access
  MergedTrace result_;
};

void check_same_machine(const Part& first, const Part& other) {
  const std::string of_first = machine_of(first.reader().header());
  const std::string of_other = machine_of(other.reader().header());
  if (of_first == of_other) return;
  throw Error(other.result().path,
              fmt::format("it is of another machine ({}) than {} ({})", of_other,
                          first.result().path, of_first),
              "only traces of one ISA and page size can be merged");
}

Header merged_header(const std::vector<Part>& parts, uint64_t quantum) {
  Header header = parts.front().reader().header();
  header.program.clear();
  header.recorder = "mmusim trace merge";
  header.notes = fmt::format("Merged: turns of {} instructions; ids of trace n have {} n added.",
                             format_count(quantum), format_count(kMergeIdStep));
  // Of many traces each gets its part of the header's limit.
  constexpr size_t kMostText = size_t{192} << 10;
  const size_t share = kMostText / parts.size();
  size_t number = 0;
  for (const Part& part : parts) {
    const Header& its = part.reader().header();
    const std::string of = part.reader().identity();
    header.program += (number == 0 ? "" : " + ") + its.program.substr(0, share);
    header.notes += fmt::format(" {}: {}, recorded by {}", number, of, its.recorder);
    if (!its.notes.empty()) header.notes += ": " + its.notes;
    header.notes.resize(std::min(header.notes.size(), 256 + (number + 1) * share));
    ++number;
  }
  return header;
}

}  // namespace

MergeResult merge(const std::vector<std::string>& paths, const std::string& output,
                  const MergeOptions& options) {
  MMUSIM_ASSERT(paths.size() >= 2 && paths.size() <= kMostMerged && options.quantum != 0);
  std::vector<Part> parts;
  uint64_t bytes = 0;
  for (const std::string& path : paths) {
    parts.emplace_back(path, static_cast<uint32_t>(parts.size()) * kMergeIdStep, options.reader);
    check_same_machine(parts.front(), parts.back());
    bytes += parts.back().reader().file_bytes();
  }
  Writer writer(output, merged_header(parts, options.quantum), options.writer);
  for (bool any = true; any;) {
    any = false;
    uint64_t done = 0;
    for (Part& part : parts) {
      any = part.turn(options.quantum, writer) || any;
      done += part.reader().position();
    }
    if (options.progress) options.progress(done, bytes);
  }
  writer.finish();
  MergeResult result;
  for (const Part& part : parts)
    result.traces.push_back(part.result());
  result.totals = writer.totals();
  return result;
}

}  // namespace mmusim::trace
