// Whose the prices of a run are, and which count.
#include "report/prices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mem/sink.h"
#include "report/text_writer.h"

namespace mmusim::report {
namespace prices_test {

using testing::HasSubstr;
using testing::Not;

class Prices : public testing::Test {
 protected:
  Prices() {
    mem::ReferenceSink::declare(schema_);
    schema_.text("machine.name", "", "");
  }
  ComparedRun run(const std::string& text) {
    config::Config config(schema_);
    config.load_text("[machine]\nname = m\n" + text, "m.cfg");
    return {.name = "m/mlpt", .config = config, .provenance = {}, .report = {}};
  }
  static std::string text_of(std::vector<ComparedRun> runs) {
    return report::text_of(
        {"test", {prices_of({.source = "", .program = "", .runs = std::move(runs), .failed = {}})}},
        {.styles = {{"prices", {.width = 12}}}});
  }

 private:
  config::Schema schema_;
};

TEST_F(Prices, AreTheMachinesOwnWithTheirSourceOrDefaults) {
  ComparedRun own = run("[cost]\ntrap = 33   # [HRM], 4.2\nwalk = 9\n");
  own.config.set("cost.instruction", "2", "--cost.instruction");
  const std::string text = text_of({own});
  EXPECT_THAT(text, HasSubstr("m\n  its own:  walk 9, trap 33 ([HRM], 4.2)\n"));
  EXPECT_THAT(text, HasSubstr("  given:    instruction 2\n"));
  EXPECT_THAT(text, HasSubstr("  default:  reference 14, next_level 7, flush.page"));
  const std::vector<Price> prices = prices_of(own);
  const auto trap = std::find_if(prices.begin(), prices.end(),
                                 [](const Price& p) { return p.key == "cost.trap"; });
  ASSERT_NE(trap, prices.end());
  EXPECT_EQ(trap->cycles, 33u);
  EXPECT_EQ(trap->from, "m.cfg:4");
  EXPECT_EQ(trap->remark, "[HRM], 4.2");
}

TEST_F(Prices, AreThoseThatCount) {
  // One CPU and no caches: neither those of several CPUs nor those of cache levels.
  ComparedRun plain = run("[cost]\nreference.walker = 6\n");
  EXPECT_THAT(text_of({plain}), HasSubstr("reference.walker 6"));
  EXPECT_THAT(text_of({plain}), Not(HasSubstr("reference.kernel")));  // the same as reference
  EXPECT_THAT(text_of({plain}), Not(HasSubstr("memory")));
  EXPECT_THAT(text_of({plain}), Not(HasSubstr("interrupt")));
  EXPECT_THAT(text_of({plain}), Not(HasSubstr("context_switch")));
  ComparedRun cached = run("[cache]\nenabled = true\n");
  EXPECT_THAT(text_of({cached}), HasSubstr("l1 4, l1i 0, l2 14"));
  EXPECT_THAT(text_of({cached}), Not(HasSubstr("reference")));
  ComparedRun several = run("");
  several.report.add("sched.cpus", 2, "CPUs", "");
  EXPECT_THAT(text_of({several}), HasSubstr("interrupt 2000, broadcast 100"));
}

TEST_F(Prices, AreToldOnceForEachMachine) {
  const std::string text = text_of({run(""), run("")});
  EXPECT_EQ(text.find("\nm\n"), text.rfind("\nm\n"));
}

}  // namespace prices_test
}  // namespace mmusim::report
