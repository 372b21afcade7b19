#pragma once
#include <opus.h>

// opus_encoder_ctl is variadic, which Swift cannot call: one function a request.
static inline int mr_opus_set_bitrate(OpusEncoder *e, opus_int32 v) { return opus_encoder_ctl(e, OPUS_SET_BITRATE(v)); }
static inline int mr_opus_set_complexity(OpusEncoder *e, opus_int32 v) {
  return opus_encoder_ctl(e, OPUS_SET_COMPLEXITY(v));
}
static inline int mr_opus_set_fec(OpusEncoder *e, opus_int32 v) { return opus_encoder_ctl(e, OPUS_SET_INBAND_FEC(v)); }
static inline int mr_opus_set_loss(OpusEncoder *e, opus_int32 percent) {
  return opus_encoder_ctl(e, OPUS_SET_PACKET_LOSS_PERC(percent));
}
static inline int mr_opus_set_dtx(OpusEncoder *e, opus_int32 v) { return opus_encoder_ctl(e, OPUS_SET_DTX(v)); }
static inline int mr_opus_get_lookahead(OpusEncoder *e, opus_int32 *v) {
  return opus_encoder_ctl(e, OPUS_GET_LOOKAHEAD(v));
}
