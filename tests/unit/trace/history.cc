#include "history.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

#include "base/random.h"

namespace mmusim::trace::testing {
namespace {

struct CodeOp {
  AccessKind kind;
  unsigned bytes;
  unsigned style;  // 0 stack, 1 stride, 2 within a table, 3 anywhere
  uint64_t base;
  uint64_t stride;
};
struct CodeInstruction {
  unsigned bytes;
  std::vector<CodeOp> ops;
};
struct CodeBlock {
  uint64_t start;
  std::vector<CodeInstruction> instructions;
  size_t next[2];
};

class Generator {
 public:
  explicit Generator(const HistoryShape& shape) : shape_(shape), random_(shape.seed) {
    for (unsigned i = 0; i < shape.code_blocks; ++i)
      code_.push_back(code_block(i));
    for (unsigned i = 0; i < shape.threads; ++i) {
      const auto pid = static_cast<uint32_t>(random_.below(3) == 0 ? random_.next() : 1000 + i / 2);
      threads_.push_back({Pid(pid), Tid(static_cast<uint32_t>(pid + i))});
    }
    at_.resize(shape.threads);
    stack_.assign(shape.threads, 0x7fff00000000);
  }

  History run() {
    while (history_.size() < shape_.happenings) {
      if (random_.below(1000) < shape_.switches_per_mille) {
        thread_ = static_cast<unsigned>(random_.below(shape_.threads));
      }
      if (random_.below(1000) < shape_.events_per_mille) {
        Happening h;
        h.thread = threads_[thread_];
        h.is_event = true;
        h.event = random_event(random_.next(), random_.below(std::variant_size_v<Event>));
        history_.push_back(h);
      }
      run_block();
    }
    return std::move(history_);
  }

 private:
  CodeBlock code_block(size_t index) {
    CodeBlock block;
    block.start = 0x400000 + index * 48;
    if (shape_.wild || random_.below(20) == 0) block.start = random_.next() >> random_.below(40);
    const uint64_t most = random_.below(30) == 0 ? 600 : 12;
    const uint64_t count = 1 + random_.below(most);
    for (uint64_t i = 0; i < count; ++i) {
      CodeInstruction instruction;
      instruction.bytes =
          static_cast<unsigned>(1 + random_.below(shape_.wild ? kMaxInstructionBytes : 7));
      const uint64_t most_ops = random_.below(200) == 0 ? 400 : 3;
      for (uint64_t k = random_.below(most_ops); k > 0; --k) {
        instruction.ops.push_back(
            {static_cast<AccessKind>(1 + random_.below(3)),
             static_cast<unsigned>(random_.below(10) == 0 ? 1 + random_.below(kMaxAccessBytes)
                                                          : 1u << random_.below(4)),
             static_cast<unsigned>(shape_.wild ? 3 : random_.below(4)), random_.next() >> 18,
             8 * random_.below(16)});
      }
      block.instructions.push_back(instruction);
    }
    block.start = std::min(block.start, ~uint64_t{0} - 32 * 700);  // nothing may wrap
    block.next[0] = (index + 1) % shape_.code_blocks;
    block.next[1] = random_.below(shape_.code_blocks);
    return block;
  }

  void run_block() {
    CodeBlock& block = code_[at_[thread_]];
    at_[thread_] = block.next[random_.below(8) == 0 ? 1 : 0];
    stack_[thread_] += 16 * random_.below(3);
    stack_[thread_] -= 16 * random_.below(3);
    uint64_t pc = block.start;
    for (CodeInstruction& instruction : block.instructions) {
      add(AccessKind::Fetch, pc, instruction.bytes);
      pc += instruction.bytes;
      for (CodeOp& op : instruction.ops)
        add(op.kind, address(op), op.bytes);
      if (random_.below(40) == 0) break;  // a branch in the middle is taken
    }
  }

  uint64_t address(CodeOp& op) {
    switch (op.style) {
      case 0:
        return stack_[thread_] + (op.stride & 63);
      case 1:
        return op.base += op.stride;
      case 2:
        return (op.base & ~uint64_t{0xfff}) + random_.below(4096);
      default:
        return random_.next() >> random_.below(64);
    }
  }

  void add(AccessKind kind, uint64_t address, unsigned bytes) {
    Happening h;
    h.thread = threads_[thread_];
    h.kind = kind;
    h.address = address;
    h.bytes = bytes;
    history_.push_back(h);
  }

  const HistoryShape shape_;
  Random random_;
  std::vector<CodeBlock> code_;
  std::vector<ThreadId> threads_;
  std::vector<size_t> at_;
  std::vector<uint64_t> stack_;
  unsigned thread_ = 0;
  History history_;
};

std::string random_text(Random& random) {
  std::string text;
  const uint64_t size = random.below(20) == 0 ? random.below(3000) : random.below(20);
  for (uint64_t i = 0; i < size; ++i)
    text += static_cast<char>(random.below(256));
  return text;
}

uint64_t random_number(Random& random) {
  return random.next() >> random.below(64);
}

uint32_t random_word(Random& random) {
  return static_cast<uint32_t>(random_number(random));
}

ExecEvent random_exec(Random& random) {
  ExecEvent e;
  e.program = random_text(random);
  for (uint64_t i = random.below(5); i > 0; --i)
    e.arguments.push_back(random_text(random));
  for (uint64_t i = random.below(5); i > 0; --i) {
    ImageArea area;
    area.range = {VirtAddr(random_number(random)), VirtAddr(random_number(random))};
    area.prot = random_word(random);
    area.flags = random_word(random);
    area.file_offset = random_number(random);
    area.name = random_text(random);
    e.image.push_back(area);
  }
  e.brk = VirtAddr(random_number(random));
  e.stack_top = VirtAddr(random_number(random));
  return e;
}

void check_block(const StaticBlock& block) {
  ASSERT_GE(block.instructions, 1);
  uint64_t bytes = 0;
  uint64_t last = 0;
  for (unsigned i = 0; i < block.instructions; ++i) {
    ASSERT_GE(block.lengths[i], 1);
    ASSERT_LE(block.lengths[i], kMaxInstructionBytes);
    last = block.start.value() + bytes;
    bytes += block.lengths[i];
  }
  ASSERT_EQ(block.bytes, bytes);
  ASSERT_EQ(page_of(block.start, kBlockPage), page_of(VirtAddr(last), kBlockPage));
  const VirtAddr end(block.start.value() + bytes - 1);
  ASSERT_EQ(block.crosses_page, page_of(block.start, kBlockPage) != page_of(end, kBlockPage));
  for (unsigned i = 0; i < block.mem_ops; ++i) {
    ASSERT_LT(block.ops[i].instruction, block.instructions);
    ASSERT_TRUE(i == 0 || block.ops[i - 1].instruction <= block.ops[i].instruction);
    ASSERT_GE(block.ops[i].bytes, 1);
    ASSERT_LE(block.ops[i].bytes, kMaxAccessBytes);
  }
}

void append_batch(const Batch& batch, History& history) {
  Totals totals;
  const uint64_t* address = batch.addresses;
  for (const uint32_t number : batch.blocks) {
    ASSERT_LT(number, batch.table.size());
    const StaticBlock& block = batch.table[number];
    check_block(block);
    ++totals.blocks;
    uint64_t pc = block.start.value();
    unsigned op = 0;
    for (unsigned i = 0; i < block.instructions; ++i) {
      ++totals.instructions;
      history.push_back({batch.thread, false, AccessKind::Fetch, pc, block.lengths[i], Event{}});
      pc += block.lengths[i];
      for (; op < block.mem_ops && block.ops[op].instruction == i; ++op) {
        const MemOp& access = block.ops[op];
        totals.loads += access.kind == AccessKind::Load ? 1 : 0;
        totals.stores += access.kind == AccessKind::Store ? 1 : 0;
        totals.modifies += access.kind == AccessKind::Modify ? 1 : 0;
        history.push_back({batch.thread, false, access.kind, *address++, access.bytes, Event{}});
      }
    }
  }
  ASSERT_EQ(batch.totals, totals);
}

std::string text_of(const Happening& h) {
  const std::string thread = fmt::format("[{}/{}]", h.thread.pid.value(), h.thread.tid.value());
  return h.is_event ? fmt::format("{} event {}", thread, name_of(h.event))
                    : fmt::format("{} {} {:#x},{}", thread, name_of(h.kind), h.address, h.bytes);
}

}  // namespace

History random_history(const HistoryShape& shape) {
  return Generator(shape).run();
}

Event random_event(uint64_t seed, size_t kind) {
  Random r(seed);
  const auto number = [&] { return random_number(r); };
  const auto addr = [&] { return VirtAddr(random_number(r)); };
  const auto word = [&] { return random_word(r); };
  const auto result = [&] {
    return r.below(2) == 0 ? -static_cast<int64_t>(r.below(4096)) : static_cast<int64_t>(r.next());
  };
  const auto small = [&] { return static_cast<int32_t>(word()); };
  switch (kind) {
    case 0:
      return random_exec(r);
    case 1:
      return MmapEvent{addr(),  number(), word(),   word(),
                       small(), number(), result(), random_text(r)};
    case 2:
      return MunmapEvent{addr(), number(), result()};
    case 3:
      return MprotectEvent{addr(), number(), word(), result()};
    case 4:
      return MremapEvent{addr(), number(), number(), word(), addr(), result()};
    case 5:
      return BrkEvent{addr(), addr()};
    case 6:
      return MadviseEvent{addr(), number(), word(), result()};
    case 7:
      return ForkEvent{{Pid(word()), Tid(word())}, number(), r.below(2) == 0};
    case 8:
      return ExitEvent{small(), r.below(2) == 0};
    case 9:
      return WaitEvent{Pid(word()), small()};
    case 10:
      return SwitchEvent{CpuId(word())};
    case 11:
      return MarkerEvent{random_text(r)};
    case 12:
      return TruncateEvent{small(), number(), result(), random_text(r)};
    case 13:
      return FallocateEvent{small(), word(), number(), number(), result(), random_text(r)};
    case 14:
      return MsyncEvent{addr(), number(), word(), result()};
    case 15:
      return LockEvent{word(), addr(), number(), word(), result()};
    case 16:
      return ThpEvent{word(), word(), result()};
    case 17:
      return ProcessMadviseEvent{Pid(word()), addr(), number(), word(), result()};
    default:
      return OtherCallEvent{random_text(r), result()};
  }
}

Header test_header() {
  Header header;
  header.isa = "x86_64";
  header.program = "cc -O2 \"a b\".c";
  header.recorder = "test 1";
  header.notes = "no context switches";
  return header;
}

void write_history(const std::string& path, const History& history, const WriterOptions& options) {
  Writer writer(path, test_header(), options);
  for (const Happening& h : history) {
    writer.thread(h.thread);
    if (h.is_event) {
      writer.event(h.event);
    } else if (h.kind == AccessKind::Fetch) {
      writer.instruction(VirtAddr(h.address), h.bytes);
    } else {
      writer.access(h.kind, VirtAddr(h.address), h.bytes);
    }
  }
  writer.finish();
}

History read_history(const std::string& path, const ReaderOptions& options) {
  Reader reader(path, options);
  History history;
  for (Batch batch; reader.next(batch);) {
    if (batch.event != nullptr) {
      EXPECT_TRUE(batch.blocks.empty());
      EXPECT_EQ(batch.totals, Totals{});
      Happening h;
      h.thread = batch.thread;
      h.is_event = true;
      h.event = *batch.event;
      history.push_back(h);
    } else {
      EXPECT_FALSE(batch.blocks.empty());
      append_batch(batch, history);
    }
  }
  return history;
}

std::string difference(const History& expected, const History& actual) {
  for (size_t i = 0; i < std::min(expected.size(), actual.size()); ++i) {
    if (!(expected[i] == actual[i])) {
      return fmt::format("at {}: expected {}, got {}", i, text_of(expected[i]), text_of(actual[i]));
    }
  }
  return expected.size() == actual.size()
             ? ""
             : fmt::format("{} records instead of {}", actual.size(), expected.size());
}

TemporaryFile::TemporaryFile(const std::string& name) {
  std::string pattern = (std::filesystem::temp_directory_path() / "mmusim-test-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make " + pattern);
  directory_ = pattern;
  path_ = directory_ + "/" + name;
}

TemporaryFile::~TemporaryFile() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string file_content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void write_file(const std::string& path, const std::string& content) {
  // Overwritten in place: truncating to nothing first makes some file systems wait for the disk.
  { std::ofstream create(path, std::ios::binary | std::ios::app); }
  std::fstream out(path, std::ios::binary | std::ios::in | std::ios::out);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  out.close();
  std::filesystem::resize_file(path, content.size());
}

}  // namespace mmusim::trace::testing
