#include "kernel/superpage_policies.h"

#include "kernel/online_policy.h"
#include "kernel/reserve_policy.h"
#include "kernel/scan_policy.h"

namespace mmusim::kernel {

std::unique_ptr<SuperpagePolicy> make_superpage_policy(Core& core) {
  switch (core.settings.superpage_policy) {
    case SuperpagePolicyKind::Fault:
      return nullptr;
    case SuperpagePolicyKind::Reserve:
      return std::make_unique<ReservePolicy>(core);
    case SuperpagePolicyKind::Promote:
      return std::make_unique<ScanPolicy>(core);
    case SuperpagePolicyKind::Online:
      return std::make_unique<OnlinePolicy>(core);
  }
  return nullptr;
}

}  // namespace mmusim::kernel
