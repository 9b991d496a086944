// A place to send from, of a device that is not there.
#pragma once

#include "host/netns.h"

namespace pollmark::support {

inline NetdevPlace veth_like() {
  NetdevPlace place;
  place.netdev = "a0";
  place.mac = {2, 0, 0, 0, 0, 1};
  place.frames_to_mac = {2, 0, 0, 0, 0, 2};
  place.frames_to_ipv4 = 0xC6120002;
  place.frames_to_port = 9;
  return place;
}

}  // namespace pollmark::support
