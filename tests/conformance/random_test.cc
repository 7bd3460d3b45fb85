// Every backend, on every architecture, against the oracle.
#include <gtest/gtest.h>

#include "tests/conformance/driver.h"

namespace mmusim::pt {
namespace {

constexpr uint64_t kSeeds = 6;
constexpr int kSteps = 1500;

class Conformance : public testing::TestWithParam<Subject> {};

void drive(const Subject& subject, uint64_t seed, bool failing_memory) {
  Driver driver(subject, seed);
  for (int step = 0; step < kSteps && !testing::Test::HasFailure(); ++step) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << " step " << step);
    driver.step(failing_memory);
    if (step % 50 == 0 && !testing::Test::HasFailure()) driver.verify();
  }
  SCOPED_TRACE(testing::Message() << "seed " << seed << " at the end");
  if (!testing::Test::HasFailure()) driver.verify();
  if (!testing::Test::HasFailure()) driver.finish();
}

TEST_P(Conformance, RandomOperations) {
  for (uint64_t seed = 1; seed <= kSeeds && !HasFailure(); ++seed)
    drive(GetParam(), seed, false);
}

TEST_P(Conformance, RandomOperationsWithFailingMemory) {
  for (uint64_t seed = 101; seed <= 100 + kSeeds && !HasFailure(); ++seed)
    drive(GetParam(), seed, true);
}

INSTANTIATE_TEST_SUITE_P(Backends, Conformance, testing::ValuesIn(subjects()),
                         [](const auto& param) { return name_of(param.param); });

}  // namespace
}  // namespace mmusim::pt
