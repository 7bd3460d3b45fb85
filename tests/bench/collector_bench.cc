// How fast the collector of `mmusim record` turns rings into containers, without QEMU.
//
// What one thread of a trace does is written as the plug-in would write it (record/ring.h), and
// given to a collector half a ring at a time. Measured is the processor time in the collector, and
// in finishing the file; everything is done by one thread, compression too. The rows
// differ by what is done with the words:
//
//   read      a bare loop that adds them up: what any reader of the ring must do
//   columns   the container at zstd's level 1, without page streams: nearly all of it is collecting
//   recorded  as `mmusim record` writes it: without page streams, and with (--pages sets, any)
//
// The trace is $MMUSIM_BENCH_TRACE, or the shipped one; at most $MMUSIM_BENCH_RECORDS words are
// taken from its beginning (default 16 M). A trace in which one thread does little makes no
// benchmark.
#include <algorithm>
#include <benchmark/benchmark.h>
#include <bit>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <span>
#include <string>
#include <unistd.h>
#include <vector>

#include "record/collector.h"
#include "record/recorder.h"
#include "record/share_memory.h"
#include "trace/reader.h"

namespace mmusim::record {
namespace {

struct Words {
  std::vector<uint64_t> thread;
  std::vector<uint64_t> definitions;
  uint64_t instructions = 0;
  uint64_t references = 0;
};

uint64_t variable(const char* name, uint64_t otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}
std::string trace_file() {
  const char* const value = std::getenv("MMUSIM_BENCH_TRACE");
  return value != nullptr ? value : MMUSIM_SOURCE_DIR "/workloads/traces/pipeline.mmt";
}

// QEMU reports what is wider than eight bytes in parts, and a modify as a load and a store.
void put_access(std::vector<uint64_t>& out, const trace::MemOp& op, uint64_t address) {
  constexpr uint64_t kPart = 8;
  const uint64_t index = uint64_t{op.instruction} << kIndexShift;
  const bool store = op.kind == AccessKind::Store;
  if (!fits_memory_word(address) || (!std::has_single_bit(op.bytes) && op.bytes % kPart != 0)) {
    out.push_back(sized_word(kSizedTag, op.instruction, store, op.bytes));
    out.push_back(address);
    return;
  }
  const uint64_t bytes = std::min<uint64_t>(op.bytes, kPart);
  const auto tag = static_cast<uint64_t>(std::countr_zero(bytes)) << 1;
  for (uint64_t at = 0; at < op.bytes; at += bytes)
    out.push_back(memory_word(address + at, index | tag | (store ? 1u : 0u)));
  if (op.kind == AccessKind::Modify) out.push_back(memory_word(address, index | tag | 1u));
}

Words words_of_trace(const std::string& path, uint64_t most) {
  Words words;
  trace::Reader reader(path);
  std::vector<uint32_t> numbers;  // by the chunk's
  uint64_t serial = ~uint64_t{0};
  uint32_t next = 0;
  for (trace::Batch batch; words.thread.size() < most && reader.next(batch);) {
    if (batch.event != nullptr) continue;
    if (batch.table_serial != serial) numbers.assign(batch.table.size(), UINT32_MAX);
    serial = batch.table_serial;
    const uint64_t* address = batch.addresses;
    for (const uint32_t block : batch.blocks) {
      const trace::StaticBlock& it = batch.table[block];
      if (numbers[block] == UINT32_MAX) {
        numbers[block] = next++;
        std::vector<uint64_t> definition(definition_words(it.instructions));
        definition[0] = numbers[block] | uint64_t{it.instructions} << 48;
        definition[1] = it.start.value();
        std::copy_n(it.lengths, it.instructions, reinterpret_cast<uint8_t*>(definition.data() + 2));
        words.definitions.insert(words.definitions.end(), definition.begin(), definition.end());
      }
      words.thread.push_back(kBlockTag | uint64_t{numbers[block]} << kTagBits);
      for (unsigned op = 0; op < it.mem_ops; ++op)
        put_access(words.thread, it.ops[op], *address++);
    }
    words.instructions += batch.totals.instructions;
    words.references += batch.totals.references();
  }
  return words;
}

const Words& words() {
  static const Words all =
      words_of_trace(trace_file(), variable("MMUSIM_BENCH_RECORDS", uint64_t{16} << 20));
  return all;
}

// The producing side: puts words where a plug-in would.
class Feed {
 public:
  explicit Feed(Share& share) : share_(share) {
    take(kThread, RingState::Thread);
    take(kDefinitions, RingState::Definitions);
    const uint64_t process = static_cast<uint64_t>(getpid());
    const std::vector<uint64_t> start = {
        static_cast<uint64_t>(StartKind::Image), process, process, 0, 0, 0, kDefinitions, 0};
    const uint64_t number = share_.sequence.fetch_add(1);
    put(kThread, {kEventTag | static_cast<uint64_t>(EventKind::Start) << kIndexShift |
                      uint64_t{start.size()} << kAddressShift,
                  number});
    put(kThread, start);
  }
  static constexpr uint32_t kThread = 0;
  static constexpr uint32_t kDefinitions = 1;

  void put(uint32_t ring, std::span<const uint64_t> some) {
    RingHead& head = heads_of(share_)[ring];
    uint64_t at = head.written.load();
    for (const uint64_t word : some)
      words_of(share_, ring)[at++ & kRingMask] = word;
    head.written.store(at);
  }
  void put(uint32_t ring, std::initializer_list<uint64_t> some) {
    put(ring, std::span(some.begin(), some.size()));
  }

 private:
  void take(uint32_t ring, RingState state) {
    heads_of(share_)[ring].state.store(ring_state(static_cast<uint32_t>(getpid()), state));
    heads_of(share_)[ring].thread.store(static_cast<uint32_t>(getpid()));
    share_.registrations.fetch_add(1);
  }
  Share& share_;
};

// Processor time: the computer has other things to do.
class Clock {
 public:
  template <class Work>
  void time(Work work) {
    const double begin = now();
    work();
    seconds_ += now() - begin;
  }
  [[nodiscard]] double seconds() const { return seconds_; }

 private:
  static double now() {
    constexpr double kNanosecond = 1e-9;
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * kNanosecond;
  }
  double seconds_ = 0;
};

constexpr size_t kPiece = kRingWords / 2;

void report(benchmark::State& state) {
  const auto times = static_cast<double>(state.iterations());
  using benchmark::Counter;
  state.counters["words/s"] =
      Counter(static_cast<double>(words().thread.size()) * times, Counter::kIsRate);
  state.counters["instructions/s"] =
      Counter(static_cast<double>(words().instructions) * times, Counter::kIsRate);
}

void read(benchmark::State& state) {
  ShareMemory memory(2);
  for (auto unused : state) {
    static_cast<void>(unused);
    Feed feed(memory.share());
    Clock clock;
    const std::span<const uint64_t> all = words().thread;
    for (size_t at = 0; at < all.size(); at += kPiece) {
      feed.put(Feed::kThread, all.subspan(at, std::min(kPiece, all.size() - at)));
      clock.time([&] {
        uint64_t sum = 0;
        for (size_t i = 0; i < kPiece; ++i)
          sum += words_of(memory.share(), Feed::kThread)[i];
        benchmark::DoNotOptimize(sum);
      });
    }
    state.SetIterationTime(clock.seconds());
  }
  report(state);
}

void collect(benchmark::State& state, const trace::WriterOptions& options) {
  const std::string path =
      (std::filesystem::temp_directory_path() / "mmusim-collector-bench.mmt").string();
  uint64_t bytes = 0;
  for (auto unused : state) {
    static_cast<void>(unused);
    ShareMemory memory(2);
    trace::Header header;
    header.isa = "x86_64";
    trace::Writer writer(path, header, options);
    Collector collector(writer, *isa_named("x86_64"), memory.share(), memory.file());
    Feed feed(memory.share());
    Clock clock;
    const auto all = [&](uint32_t ring, std::span<const uint64_t> some) {
      for (size_t at = 0; at < some.size(); at += kPiece) {
        feed.put(ring, some.subspan(at, std::min(kPiece, some.size() - at)));
        clock.time([&] { collector.collect(); });
      }
    };
    clock.time([&] { collector.collect(); });
    all(Feed::kDefinitions, words().definitions);
    all(Feed::kThread, words().thread);
    clock.time([&] { writer.finish(); });
    if (collector.counts().lost_words != 0 ||
        writer.totals().instructions + 255 < words().instructions) {
      state.SkipWithError("the collector did not understand the words");
      break;
    }
    bytes = writer.bytes_written();
    state.SetIterationTime(clock.seconds());
  }
  std::filesystem::remove(path);
  report(state);
  state.counters["bytes/instruction"] =
      static_cast<double>(bytes) / static_cast<double>(words().instructions);
}

constexpr trace::WriterOptions kFast{.zstd_level = 1, .pages = trace::PageChoice::None};
trace::WriterOptions with(trace::PageChoice pages) {
  trace::WriterOptions options = kWhileItRuns;
  options.pages = pages;
  return options;
}

BENCHMARK(read)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(collect, columns, kFast)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(collect, recorded, kWhileItRuns)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(collect, recorded_for_sets, with(trace::PageChoice::Sets))
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(collect, recorded_for_any, with(trace::PageChoice::Any))
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace mmusim::record

BENCHMARK_MAIN();
