// Huge pages of private memory do not hang on how large the tables are that a page table makes.
#include "kernel/script.h"

namespace mmusim::kernel::testing {
namespace huge_test {

class Huge : public ::testing::TestWithParam<std::string> {
 protected:
  Huge() {
    s.map(kBase, 18 * kM);
    s.advise(kBase, 18 * kM, kAdviceNoHugePage);
    s.write(kBase, 18 * kM / kPage);
  }
  void TearDown() override { s.end(); }
  Script s{"", GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Backends, Huge, ::testing::ValuesIn(backend_names()));

// Behind a gap, where a table of more than 2 MiB may reach (gpt: an array of 32).
TEST_P(Huge, BesideManyBasePages) {
  s.map_huge(kBase + 24 * kM, 4 * kM);
  s.step("write", [&] { s.write(kBase + 24 * kM, 512); }, {.faults = 1, .anon = 2048, .tables = 4});
  s.step("read", [&] { s.read(kBase + 26 * kM, 512); }, {.faults = 1, .tables = 4});
}

// A block that has a page gets no more than pages by faults.
TEST_P(Huge, NotWhereAPageIs) {
  s.map(kBase + 24 * kM, 4 * kM);
  s.write(kBase + 24 * kM + kM, 1);
  s.advise(kBase + 24 * kM, 4 * kM, kAdviceHugePage);
  s.step("page", [&] { s.write(kBase + 24 * kM, 2); }, {.faults = 2, .anon = 8});
  s.step("huge", [&] { s.write(kBase + 26 * kM, 2); }, {.faults = 1, .anon = 2048, .tables = 4});
}

// Nothing is made one of what nobody touched (Linux: SCAN_PMD_NONE, which ends the call).
TEST_P(Huge, CollapsesWhatIsThere) {
  s.map(kBase + 24 * kM, 4 * kM);
  s.write(kBase + 26 * kM, 1);
  s.step("nothing", [&] { s.advise(kBase + 24 * kM, 4 * kM, kAdviceCollapse, -kEINVAL); }, {});
  s.step("a page", [&] { s.advise(kBase + 26 * kM, 2 * kM, kAdviceCollapse); }, {.anon = 2044});
}

// What Linux passes over: where the table above leaf tables is not there either (SCAN_PMD_NULL).
// Counted on Linux 6.18. Not where only the leaf table is missing, as close to something else as
// that it would be in a table above.
TEST_P(Huge, CollapsesBehindWhatHasNoTableAbove) {
  s.map(kBase + 2 * kG - k2M, 4 * kM);
  s.write(kBase + 2 * kG, 1);
  s.step("nothing above",
         [&] { s.advise(kBase + 2 * kG - k2M, 4 * kM, kAdviceCollapse, -kEINVAL); },
         {.anon = 2044});
  s.unmap(kBase + 2 * kG - k2M, 4 * kM);
  s.map(kBase + 4 * kG, 64 * kM);
  s.write(kBase + 4 * kG + 62 * kM, 1);
  s.step("no leaf table", [&] { s.advise(kBase + 4 * kG, 64 * kM, kAdviceCollapse, -kEINVAL); },
         {});
}

}  // namespace huge_test
}  // namespace mmusim::kernel::testing
