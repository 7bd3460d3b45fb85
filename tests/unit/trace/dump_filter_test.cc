// dump's filters: by hand, and on random histories against a filter that looks at every line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "history.h"
#include "trace/dump.h"

namespace mmusim::trace {
namespace dump_filter_test {

using ::testing::ElementsAre;
using testing::History;
using ::testing::IsEmpty;
using testing::TemporaryFile;
using Json = nlohmann::ordered_json;

std::vector<std::string> lines_of(const std::string& path, const DumpOptions& options) {
  Reader reader(path);
  std::vector<std::string> lines;
  dump(reader, options, [&](std::string_view line) {
    lines.emplace_back(line);
    return true;
  });
  return lines;
}

// What part.h says of numbers, on a flat list.
std::vector<uint64_t> numbers_of(const History& history) {
  std::vector<uint64_t> numbers;
  uint64_t instructions = 0;
  for (const auto& h : history) {
    if (!h.is_event && h.kind == AccessKind::Fetch) ++instructions;
    numbers.push_back(h.is_event ? instructions : instructions - 1);
  }
  return numbers;
}

bool wanted(const testing::Happening& h, uint64_t number, const DumpOptions& o) {
  if (o.thread && h.thread != *o.thread) return false;
  if (o.pid && h.thread.pid != *o.pid) return false;
  if (o.tid && h.thread.tid != *o.tid) return false;
  if (number < o.instructions.from || number >= o.instructions.to) return false;
  const KindSet kind = h.is_event ? set_of_event(h.event.index()) : set_of(h.kind);
  if ((kind & o.kinds) == 0) return false;
  if (!o.addresses) return true;
  if (h.is_event) return concerns(h.event, *o.addresses);
  bool touches = false;
  for (unsigned i = 0; i < h.bytes; ++i) {
    const VirtAddr byte(h.address + i);
    touches = touches || (o.addresses->first <= byte && byte <= o.addresses->last);
  }
  return touches;
}

std::string line_of(const testing::Happening& h) {
  const std::string what = h.is_event
                               ? describe(h.event)
                               : fmt::format("{:<6} {:#x} {}", name_of(h.kind), h.address, h.bytes);
  return fmt::format("[{}/{}] {}", h.thread.pid.value(), h.thread.tid.value(), what);
}

TEST(DumpFilter, AgreesWithOneThatLooksAtEveryLine) {
  const TemporaryFile file;
  size_t printed = 0;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    const History made = testing::random_history({.seed = seed, .happenings = 6000});
    testing::write_history(file.path(), made, {.chunk_bytes = 2000});
    ASSERT_GT(Reader(file.path()).chunks().size(), 5u);
    const History history = testing::read_history(file.path());
    const std::vector<uint64_t> numbers = numbers_of(history);
    const uint64_t all = numbers.back() + 1;
    const auto at = [&](size_t i) { return history[i * 997 % history.size()]; };
    std::vector<DumpOptions> cases;
    for (size_t i = 1; i < 40; ++i) {
      DumpOptions o;
      o.kinds =
          i % 3 == 0 ? kAllKinds : set_of(static_cast<AccessKind>(i % 4)) | (kAllEvents * (i % 2));
      if (i % 4 == 1) o.pid = at(i).thread.pid;
      if (i % 5 == 1) o.tid = at(i).thread.tid;
      if (i % 6 == 1) o.thread = at(i).thread;
      if (i % 2 == 1) o.instructions = {all * (i % 7) / 8, all * (i % 7) / 8 + i * 31};
      if (i % 7 == 2) {
        const uint64_t address = at(i).address;
        o.addresses = AddressSpan{VirtAddr(address & ~uint64_t{0xfff}), VirtAddr(address | 0xffff)};
      }
      if (i % 8 == 3) o.skip = i;
      if (i % 9 == 4) o.limit = i * 3;
      cases.push_back(o);
    }
    for (const DumpOptions& o : cases) {
      std::vector<std::string> expected;
      uint64_t skip = o.skip;
      for (size_t i = 0; i < history.size() && expected.size() < o.limit; ++i) {
        if (!wanted(history[i], numbers[i], o)) continue;
        if (skip != 0)
          --skip;
        else
          expected.push_back(line_of(history[i]));
      }
      printed += expected.size();
      ASSERT_EQ(lines_of(file.path(), o), expected) << "seed " << seed;
    }
  }
  EXPECT_GT(printed, 10000u);
}

TEST(DumpFilter, NumbersEventsByTheInstructionThatFollows) {
  const TemporaryFile file;
  Writer writer(file.path(), testing::test_header());
  writer.thread({Pid(1), Tid(2)});
  writer.event(MarkerEvent{"a"});
  writer.instruction(VirtAddr(0x1000), 4);
  writer.access(AccessKind::Store, VirtAddr(0x2ffe), 4);
  writer.event(MarkerEvent{"b"});
  writer.instruction(VirtAddr(0x1004), 4);
  writer.event(MarkerEvent{"c"});
  writer.finish();
  EXPECT_THAT(lines_of(file.path(), {.numbered = true}),
              ElementsAre("0 [1/2] marker text=\"a\"", "0 [1/2] fetch  0x1000 4",
                          "0 [1/2] store  0x2ffe 4", "1 [1/2] marker text=\"b\"",
                          "1 [1/2] fetch  0x1004 4", "2 [1/2] marker text=\"c\""));
  EXPECT_THAT(lines_of(file.path(), {.instructions = {1, 2}}),
              ElementsAre("[1/2] marker text=\"b\"", "[1/2] fetch  0x1004 4"));
  EXPECT_THAT(lines_of(file.path(), {.instructions = {2, 9}}),
              ElementsAre("[1/2] marker text=\"c\""));
  // The store's last two bytes are in the next page.
  EXPECT_THAT(lines_of(file.path(), {.addresses = AddressSpan{VirtAddr(0x3001), VirtAddr(0x3fff)}}),
              ElementsAre("[1/2] store  0x2ffe 4"));
  EXPECT_THAT(lines_of(file.path(), {.addresses = AddressSpan{VirtAddr(0x3002), VirtAddr(0x3fff)}}),
              IsEmpty());
}

TEST(DumpFilter, KnowsWhatMemoryAnEventIsAbout) {
  const auto about = [](const Event& event, uint64_t first, uint64_t last) {
    return concerns(event, {VirtAddr(first), VirtAddr(last)});
  };
  const MmapEvent map{VirtAddr(0x100000), 8192, 3, 0x22, -1, 0, 0x4000, ""};
  EXPECT_TRUE(about(map, 0x5fff, 0x7000));
  EXPECT_FALSE(about(map, 0x6000, 0x7000));
  EXPECT_FALSE(about(map, 0x100000, 0x100000));  // a hint that was not taken
  EXPECT_FALSE(about(MmapEvent{VirtAddr(0), 8192, 3, 0x22, -1, 0, -12, ""}, 0, UINT64_MAX));
  EXPECT_TRUE(about(MunmapEvent{VirtAddr(0x4000), 1, 0}, 0x4000, 0x4000));
  EXPECT_TRUE(
      about(MremapEvent{VirtAddr(0x4000), 1, 8192, 1, VirtAddr(0), 0x9000}, 0xafff, 0xffff));
  EXPECT_TRUE(about(BrkEvent{VirtAddr(0), VirtAddr(0x4010)}, 0x4010, 0x4010));
  EXPECT_FALSE(about(ExitEvent{}, 0, UINT64_MAX));
  EXPECT_TRUE(about(ProcessMadviseEvent{Pid(1), VirtAddr(UINT64_MAX - 9), 10, 4, 0}, UINT64_MAX,
                    UINT64_MAX));
  EXPECT_EQ(kind_named("nothing"), 0u);
  for (const std::string& name : kind_names())
    EXPECT_NE(kind_named(name), 0u) << name;
}

Json json_of(const DumpRecord& record) {
  fmt::memory_buffer out;
  append_json(out, record);
  const std::string text = fmt::to_string(out);
  EXPECT_TRUE(std::all_of(text.begin(), text.end(), [](char c) { return c >= 32 && c < 127; }))
      << text;
  return Json::parse(text);
}

TEST(DumpJson, HasWhatARecordHas) {
  const ThreadId thread{Pid(7), Tid(8)};
  const auto event_json = [&](const Event& event) {
    return json_of({.number = 5, .thread = thread, .event = &event}).at("event");
  };
  EXPECT_EQ(json_of({.number = 5,
                     .thread = thread,
                     .kind = AccessKind::Modify,
                     .address = VirtAddr(UINT64_MAX),
                     .bytes = 1}),
            Json::parse(R"({"instruction": 5, "pid": 7, "tid": 8, "kind": "modify",
                            "address": "0xffffffffffffffff", "bytes": 1})"));
  const Event exit = ExitEvent{.status = -1, .whole_process = false};
  EXPECT_EQ(json_of({.number = 5, .thread = thread, .event = &exit}),
            Json::parse(R"({"instruction": 5, "pid": 7, "tid": 8, "kind": "exit",
                            "event": {"status": -1, "whole_process": false}})"));
  EXPECT_EQ(event_json(MmapEvent{VirtAddr(4096), UINT64_MAX, 11, 0x22, -1, 0, -12, ""}),
            Json::parse(R"({"hint": "0x1000", "length": 18446744073709551615, "prot": "rw-+0x8",
                            "flags": 34, "fd": -1, "offset": 0, "result": -12})"));
  EXPECT_EQ(event_json(MmapEvent{VirtAddr(0), 1, 0, 2, 3, 4096, INT64_MIN, "a"}),
            Json::parse(R"({"hint": "0x0", "length": 1, "prot": "---", "flags": 2, "fd": 3,
                            "offset": 4096, "result": "0x8000000000000000", "file": "a"})"));
  EXPECT_EQ(event_json(LockEvent{LockEvent::LockAll, VirtAddr(0), 0, 2, 0}),
            Json::parse(R"({"what": "lock-all", "start": "0x0", "length": 0, "flags": 2,
                            "result": 0})"));
  EXPECT_EQ(event_json(LockEvent{9, VirtAddr(0), 0, 0, 0}).at("what"), 9);
  EXPECT_EQ(event_json(ForkEvent{{Pid(1), Tid(2)}, 0x100, true}),
            Json::parse(R"({"child": {"pid": 1, "tid": 2}, "clone_flags": 256,
                            "shares_memory": true})"));
  // Quotes, an escape, a letter beyond ASCII, a byte that is no UTF-8.
  EXPECT_EQ(event_json(ExecEvent{"p\"\\",
                                 {"", "\x1b[2J\u00e9"},
                                 {{{VirtAddr(0x1000), VirtAddr(0x2000)}, 5, 2, 512, "\xff"}, {}},
                                 VirtAddr(1),
                                 VirtAddr(2)}),
            Json::parse(R"({"program": "p\"\\", "brk": "0x1", "stack_top": "0x2",
                            "arguments": ["", "\u001b[2J\u00e9"],
                            "image": [{"begin": "0x1000", "end": "0x2000", "prot": "r-x",
                                       "flags": 2, "offset": 512, "name": "\ufffd"},
                                      {"begin": "0x0", "end": "0x0", "prot": "---",
                                       "flags": 0, "offset": 0, "name": ""}]})"));
}

// Names of fields, in both notations.
TEST(DumpJson, HasTheFieldsOfTheText) {
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    const Event event = testing::random_event(seed, seed % std::variant_size_v<Event>);
    const Json fields = json_of({.event = &event}).at("event");
    const std::string text = describe(event);
    size_t at = 0;
    for (const auto& [name, value] : fields.items()) {
      at = text.find(" " + name + "=", at);
      ASSERT_NE(at, std::string::npos) << name << " in " << text;
      const bool is_address = value.is_string() && value.get<std::string>().starts_with("0x");
      if (!is_address) continue;
      ASSERT_EQ(text.find(value.get<std::string>(), at), at + name.size() + 2) << text;
    }
  }
}

}  // namespace dump_filter_test
}  // namespace mmusim::trace
