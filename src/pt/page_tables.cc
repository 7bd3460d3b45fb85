// The page tables there are. A new backend adds its line here.
#include "pt/gpt/gpt.h"
#include "pt/hashed/hashed.h"
#include "pt/mlpt/mlpt.h"
#include "pt/page_table.h"

namespace mmusim::pt {

const std::vector<Backend>& backends() {
  static const std::vector<Backend> kBackends = {
      mlpt::backend(),
      gpt::backend(),
      hashed::backend(),
      hashed::clustered_backend(),
  };
  return kBackends;
}

}  // namespace mmusim::pt
