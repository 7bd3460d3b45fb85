// What a CPU's first levels are asked for the references of a table (ref_numberer.h), worked out
// once for each and kept in a row. Not thread-safe.
#ifndef MMUSIM_SIM_QUESTIONS_H_
#define MMUSIM_SIM_QUESTIONS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "sim/contracts.h"
#include "sim/ref_numberer.h"
#include "trace/record.h"

namespace mmusim::sim {

template <StampedHits Hits>
class Questions {
 public:
  using Question = typename Hits::Question;

  // By number; of one that crosses into another page the answer is no. They hold until the next
  // call.
  const Question* of(const RefTable& table, const Hits& hits) {
    if (!table.is_of(table_) || !are_of(hits)) {
      questions_.clear();
      table_ = table;
      hits_ = hits;
    }
    for (size_t i = questions_.size(); i < table.refs.size(); ++i) {
      const trace::PageRef ref = table.refs[i];
      questions_.push_back(ref.crosses() ? Question()
                                         : hits.question(ref.is_data(), ref.writes(), ref.page()));
    }
    return questions_.data();
  }
  // Whether they are, as those last asked for.
  [[nodiscard]] bool are_of(const Hits& hits) const { return hits_ == hits; }

 private:
  std::vector<Question> questions_;
  RefTable table_;  // whose numbers they go by
  std::optional<Hits> hits_;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_QUESTIONS_H_
