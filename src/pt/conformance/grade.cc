#include "pt/conformance/grade.h"

#include <algorithm>
#include <chrono>
#include <string_view>

#include "base/error.h"
#include "base/interrupt.h"

namespace mmusim::pt::conformance {
namespace {

constexpr std::string_view kFirstLayout = "x86_64";
constexpr uint64_t kLayoutOperations = 2000;  // of random runs, on each further layout

struct CaseHint {
  const char* name;
  const char* hint;
};
struct StagePlan {
  const char* name;
  const char* about;
  unsigned points;
  std::vector<CaseHint> cases;
};

const std::vector<StagePlan>& plans() {
  static const std::vector<StagePlan> kPlans = {
      {"1. a translation",
       "a page is mapped and found again, and no other is",
       25,
       {{"kept_entries",
         "Map one page and look it up: does find_word() come to the word make_word() gave? Then "
         "two "
         "pages that share tables, and two that do not: which bits of the address choose the "
         "slot?"},
        {"cursors_resume",
         "Do find_word() and make_word() agree about pages side by side in one table?"},
        {"beyond_the_address_space",
         "can_map() and the bits your index is made of must say the same: an address with a bit "
         "above those must not come to the place of another."},
        {"sizes_not_offered", "Leave ensure() to SimpleTable: it refuses what is no page."}}},
      {"2. ranges",
       "munmap, fork and mremap go through what is mapped",
       15,
       {{"overlapping_move_down", "What base and covers does each new_table() say it serves?"},
        {"clearing_under_a_cursor", "Are tables of entries of level 0, one word a page, in order?"},
        {"fork_then_unmap_in_either_order",
         "Parent and child must share no table. Is there anything static in your class?"}}},
      {"3. memory",
       "what runs out, what is left over, what is given back",
       20,
       {{"no_memory_for_the_root", "What does begin() say when new_table() gives nothing?"},
        {"ensure_without_memory",
         "make_word() may fail at its second table: is the first one's word what a later call "
         "finds?"},
        {"copy_without_memory", "The same, in fork."},
        {"move_without_memory", "The same, in mremap."},
        {"handles_go_stale", "After unlink() no walk may come to the table that went."},
        {"trim_keeps_to_its_limits",
         "unlink() takes out one table: is it the word in its parent's slot that you clear? And is "
         "each table's parent and slot what new_table() was told?"},
        {"tables_are_accounted_for", "bytes, base, covers, parent and slot of each new_table()."}}},
      {"4. honest words",
       "each word read or written is told, as the machine will be charged for it",
       15,
       {{"walks_name_their_words",
         "Each word() of find_word() has its path.add(), before or after it, and no other word "
         "has."},
        {"words_decide",
         "What is in simulated memory decides: nothing may be remembered beside it, in a std::map "
         "say."},
        {"steps_depend",
         "A step is dependent if its address comes out of the word read before: is the first?"},
        {"operations_report_words",
         "In make_word() and unlink(): load() and store(), never word()."}}},
  };
  return kPlans;
}

constexpr unsigned kRandomPoints = 10;
constexpr unsigned kLayoutPoints = 5;
constexpr const char* kRandomHint =
    "Do by hand, on paper, the operations it was shortened to: 'mmusim page-table check' prints "
    "them.";
constexpr const char* kLater = "It is looked at once stages 1 to 5 are whole.";
constexpr const char* kLayoutHint =
    "Not every machine has 4 KiB pages and 48 bits: page(), machine().geometry, and 64 bits where "
    "addresses have regions or a sign.";

// What a verdict says of one case.
GradedCase graded(const std::string& name, const Verdict& verdict, const char* hint) {
  GradedCase result{.name = name, .kept = verdict.failures.empty()};
  if (result.kept && verdict.end == Verdict::End::OutOfTime) {
    result.kept = false;
    result.promise = "it comes to an end in time";
  }
  if (result.kept) return result;
  result.hint = hint;
  if (verdict.failures.empty()) return result;
  const Failure& failure = verdict.failures.front();
  result.promise = failure.broken.promise;
  result.expected = failure.broken.expected;
  result.came = failure.broken.came;
  result.after = failure.after;
  return result;
}

void count(Stage& stage) {
  const auto kept = std::count_if(stage.cases.begin(), stage.cases.end(),
                                  [](const GradedCase& c) { return c.kept; });
  stage.earned =
      stage.points * static_cast<unsigned>(kept) / static_cast<unsigned>(stage.cases.size());
}

}  // namespace

bool are_whole(const std::vector<Stage>& stages) {
  return std::all_of(stages.begin(), stages.end(),
                     [](const Stage& stage) { return stage.whole(); });
}

std::vector<Stage> grade(const Backend& backend, const Options& options) {
  std::vector<Stage> stages;
  Options own = options;
  own.most_failures = 1;
  own.shortening =
      std::chrono::milliseconds(300);  // 'page-table check' takes longer, and tells more
  own.layouts = {std::string(kFirstLayout)};
  for (const StagePlan& plan : plans()) {
    Stage stage{.name = plan.name, .about = plan.about, .points = plan.points, .cases = {}};
    for (const CaseHint& one : plan.cases) {
      check_interrupt();
      Verdict verdict;
      own.cases = {one.name};
      check_promises(backend, own, verdict);
      stage.cases.push_back(graded(one.name, verdict, one.hint));
    }
    count(stage);
    stages.push_back(std::move(stage));
  }
  own.cases.clear();

  Stage random{.name = "5. in any order",
               .about = "random operations against an ordered map",
               .points = kRandomPoints,
               .cases = {}};
  Verdict runs;
  check_runs(backend, own, runs);
  random.cases.push_back(graded("random runs", runs, kRandomHint));
  count(random);
  stages.push_back(std::move(random));

  // What is not sound on one layout would be found to be so, and to hang, on thirteen more.
  const bool sound = are_whole(stages);
  Stage everywhere{.name = "6. every machine",
                   .about = "the same on the address spaces of all architectures",
                   .points = kLayoutPoints,
                   .cases = {}};
  for (const Layout& layout : layouts()) {
    if (layout.name == kFirstLayout) continue;
    check_interrupt();
    Verdict verdict;
    own.layouts = {layout.name};
    own.operations = kLayoutOperations;
    if (sound) check_promises(backend, own, verdict);
    if (sound && verdict.failures.empty()) check_runs(backend, own, verdict);
    GradedCase one = sound ? graded(layout.name, verdict, kLayoutHint)
                           : GradedCase{.name = layout.name, .hint = kLater};
    everywhere.cases.push_back(std::move(one));
  }
  count(everywhere);
  stages.push_back(std::move(everywhere));
  return stages;
}

}  // namespace mmusim::pt::conformance
