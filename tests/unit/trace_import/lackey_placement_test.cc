// Where the lackey importer takes a program and its loader to lie.
#include "trace/import/lackey_placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>

#include "lackey_logs.h"

namespace mmusim::trace::lackey {
namespace lackey_placement_test {

using testing::ElementsAre;
using testing::IsEmpty;
using Files = std::map<std::string, symbols::Image>;

constexpr unsigned kX86 = 62;
constexpr uint64_t kFirst = 0x4000000 + 0xb70;

symbols::Image loader() {
  return {kX86, true, 0xb70, "", {{0, 0x1000, 0x1000, 0, 5}}};
}
// Of which the data begins in the middle of a page, and has zeros in the same and the next two.
symbols::Image program(bool moves, const std::string& interpreter = "/ld.so") {
  const uint64_t at = moves ? 0 : 0x400000;
  return {kX86,
          moves,
          at + 0x1050,
          interpreter,
          {{at, 0x618, 0x618, 0, 4},
           {at + 0x1000, 0x179, 0x179, 0x1000, 5},
           {at + 0x3dd0, 0x2000, 0x248, 0x2dd0, 3}}};
}

std::vector<std::string> placed(const Files& files, uint64_t first = kFirst) {
  std::vector<std::string> texts;
  for (const MmapEvent& event :
       place("/bin/p", first, [&](const std::string& path) -> std::optional<symbols::Image> {
         const auto found = files.find(path);
         return found == files.end() ? std::nullopt : std::optional(found->second);
       }))
    texts.push_back(text_of(event));
  return texts;
}

// As Valgrind 3.19's own map of its segments shows of such a program.
TEST(LackeyPlacement, PositionIndependentProgramAndItsLoader) {
  EXPECT_THAT(placed({{"/bin/p", program(true)}, {"/ld.so", loader()}}),
              ElementsAre("mmap 108000 4096 prot 4 flags 18 fd -1 at 0 = 108000 /bin/p",
                          "mmap 109000 4096 prot 5 flags 18 fd -1 at 4096 = 109000 /bin/p",
                          "mmap 10b000 8192 prot 3 flags 18 fd -1 at 8192 = 10b000 /bin/p",
                          "mmap 10d000 4096 prot 3 flags 50 fd -1 at 0 = 10d000",
                          "mmap 4000000 4096 prot 5 flags 18 fd -1 at 0 = 4000000 /ld.so"));
}

TEST(LackeyPlacement, OthersLieWhereTheyAsk) {
  EXPECT_EQ(placed({{"/bin/p", program(false)}, {"/ld.so", loader()}}).at(1),
            "mmap 401000 4096 prot 5 flags 18 fd -1 at 4096 = 401000 /bin/p");
  EXPECT_EQ(placed({{"/bin/p", program(false, "")}}, 0x401050).size(), 4u);
  EXPECT_EQ(placed({{"/bin/p", program(true, "")}}, 0x109050).size(), 4u);
}

TEST(LackeyPlacement, NothingWhereTheFirstInstructionIsAnothers) {
  const Files both{{"/bin/p", program(true)}, {"/ld.so", loader()}};
  EXPECT_THAT(placed(both, kFirst + 0x1000), IsEmpty());
  EXPECT_THAT(placed(both, kFirst + 1), IsEmpty());
  EXPECT_THAT(placed(both, 0), IsEmpty());
  EXPECT_THAT(placed({{"/bin/p", program(false, "")}}, 0x401051), IsEmpty());
}

TEST(LackeyPlacement, NothingOfFilesThatAreMissingOrDoNotFit) {
  EXPECT_THAT(placed({}), IsEmpty());
  EXPECT_THAT(placed({{"/bin/p", program(true)}}), IsEmpty());
  Files files{{"/bin/p", program(true)}, {"/ld.so", loader()}};
  files["/bin/p"].machine = 3;
  EXPECT_THAT(placed(files), IsEmpty());
  // One that reaches to where the loader would be, or beyond the end of the address space.
  for (const uint64_t bytes : {uint64_t{0x4000000}, UINT64_MAX}) {
    files["/bin/p"] = program(true);
    files["/bin/p"].segments.back().bytes = bytes;
    EXPECT_THAT(placed(files), IsEmpty());
  }
  files["/bin/p"] = program(true);
  files["/ld.so"].moves = false;
  EXPECT_THAT(placed(files), IsEmpty());
}

TEST(LackeyPlacement, EventsStandBehindTheExec) {
  Options options;
  options.image_of = [](const std::string& path) {
    return std::optional(path == "/ld.so" ? loader() : program(false));
  };
  const Imported imported =
      import_one("I  04000b70,3\nI  04000b73,3\n" + exit_group(7, 0), options);
  ASSERT_EQ(imported.records.size(), 9u);
  EXPECT_EQ(imported.records[0], "7/7 exec prog [prog]");
  EXPECT_EQ(imported.records[2],
            "7/7 mmap 401000 4096 prot 5 flags 18 fd -1 at 4096 = 401000 prog");
  EXPECT_EQ(imported.records[6], "7/7 I 4000b70,3");
  ASSERT_EQ(imported.result.remarks.size(), 2u);
  EXPECT_EQ(imported.result.remarks[0].count, 1u);
  EXPECT_EQ(imported.result.remarks[1].count, 0u);
  // Another first instruction, and none.
  for (const char* const body : {"I  04000b73,3\n", ""}) {
    const Imported other = import_one(body + exit_group(7, 0), options);
    EXPECT_EQ(other.result.remarks[1].count, 1u);
  }
}

}  // namespace lackey_placement_test
}  // namespace mmusim::trace::lackey
