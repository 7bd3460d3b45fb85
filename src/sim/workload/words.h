// The words of the script language: its statements, and what one may advise.
#ifndef MMUSIM_SIM_WORKLOAD_WORDS_H_
#define MMUSIM_SIM_WORKLOAD_WORDS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "sim/workload/script.h"

namespace mmusim::sim::workload {

const std::map<std::string, Verb, std::less<>>& verbs();
// MADV_* of base/linux_abi.h.
const std::map<std::string, uint32_t, std::less<>>& advices();

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_WORDS_H_
