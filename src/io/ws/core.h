/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The WebSocket protocol (RFC 6455) after its handshake, without I/O: bytes in, events and bytes out. wslay
 * parses and builds the frames; masking rules, messages, UTF-8, close codes and limits are here. No extension
 * is offered or accepted (RSV bits are an error).
 *
 * A server refuses unmasked frames, a client masked ones. A broken rule queues a Close frame with the RFC's
 * code (1002, 1007, 1009), ends both directions and gives on_closed; nothing is read after that.
 */
#pragma once

#include "base/buf.h"
#include "io/stream.h"

typedef enum sp_ws_kind { SP_WS_TEXT = 1, SP_WS_BINARY = 2 } sp_ws_kind;

/* Close codes (RFC 6455 section 7.4.1). */
enum {
	SP_WS_NORMAL = 1000,
	SP_WS_GOING_AWAY = 1001,
	SP_WS_PROTOCOL_ERROR = 1002,
	SP_WS_UNSUPPORTED = 1003,
	SP_WS_NO_CODE = 1005,  /* reported only: the Close frame carried none */
	SP_WS_ABNORMAL = 1006, /* reported only: the connection ended without a Close frame */
	SP_WS_BAD_DATA = 1007,
	SP_WS_POLICY = 1008,
	SP_WS_TOO_BIG = 1009,
	SP_WS_INTERNAL = 1011,
};

typedef struct sp_ws_opts {
	bool client;
	/* Deliver a message piece by piece as it arrives; otherwise as one, assembled under
	 * message_bytes_max. */
	bool pieces;
	size_t message_bytes_max;    /* 0 = SP_LIMIT_WEBSOCKET_MESSAGE_BYTES; does not bind with `pieces` */
	uint32_t frames_per_message; /* 0 = 4096: a message cut finer is refused with 1008 */
} sp_ws_opts;

typedef struct sp_ws_events {
	/* A message, or a piece of it; `last` ends it. Bytes are good during the call. */
	void (*on_message)(void *arg, sp_ws_kind kind, const uint8_t *bytes, size_t n, bool last);
	/* May be NULL. A ping is answered by the core. */
	void (*on_pong)(void *arg, const uint8_t *bytes, size_t n);
	/* Once: the peer's Close (its code or SP_WS_NO_CODE, its reason), or why we refused to go on; err is
	 * NULL in the first case. */
	void (*on_closed)(void *arg, uint16_t code, sp_str reason, const sp_err *err);
} sp_ws_events;

typedef struct sp_ws_core sp_ws_core;

/* Four fresh unpredictable bytes per frame; only clients are asked. */
typedef void (*sp_ws_mask_fn)(void *arg, uint8_t key[4]);

/* `out` receives what is to be sent and belongs to the caller. SP_ENOMEM. */
sp_code sp_ws_core_new(const sp_ws_opts *opts, const sp_ws_events *events, void *arg, sp_ws_mask_fn mask,
		       void *mask_arg, sp_buf *out, sp_ws_core **ret, sp_err *err) SP_MUST_USE;
/* NULL is a no-op. Not from inside an event: see sp_ws_core_stop. */
void sp_ws_core_free(sp_ws_core *c);

/* Input of any length, cut anywhere. Ignored after on_closed or stop. */
void sp_ws_core_feed(sp_ws_core *c, const uint8_t *bytes, size_t n);
/* The transport ended. Without a Close frame before: on_closed with SP_WS_ABNORMAL. */
void sp_ws_core_end(sp_ws_core *c);
/* No event after this; may be called from inside one. */
void sp_ws_core_stop(sp_ws_core *c);

/*
 * Queues one message as one frame, its payload the concatenation of the parts. Text must be UTF-8 (the
 * caller's business). SP_ECANCELED after a Close was sent; else the errors of `out`.
 */
sp_code sp_ws_core_send(sp_ws_core *c, sp_ws_kind kind, const sp_iov *parts, size_t n_parts, sp_err *err);
/* Payload at most 125 bytes (asserted). */
sp_code sp_ws_core_ping(sp_ws_core *c, sp_str payload, sp_err *err);
/* Queues a Close frame, once; later calls do nothing. The reason is cut to 123 bytes at a character. */
void sp_ws_core_close(sp_ws_core *c, uint16_t code, sp_str reason);

bool sp_ws_core_close_sent(const sp_ws_core *c);
bool sp_ws_core_close_received(const sp_ws_core *c);

/* True for codes that may stand in a Close frame: 1000-1003, 1007-1014, 3000-4999. */
bool sp_ws_code_is_valid(uint16_t code);
