// Names of config/, for headers that only mention them.
#ifndef MMUSIM_CONFIG_FORWARD_H_
#define MMUSIM_CONFIG_FORWARD_H_

namespace mmusim::config {

struct Key;
class Schema;
class Config;
template <class T>
class Keys;

}  // namespace mmusim::config

#endif  // MMUSIM_CONFIG_FORWARD_H_
