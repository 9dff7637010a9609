/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kubernetes' channels inside WebSocket messages (exec, attach, the older port-forward): the first byte of a
 * message is its channel. Base64 forms are text messages whose first character is '0' + channel.
 * U: k8s.io/streaming pkg/httpstream/wsstream.
 */
#pragma once

#include "base/buf.h"
#include "io/stream.h"
#include "io/ws/core.h"

/* Channels of remote commands. */
enum {
	SP_CHANNEL_STDIN = 0,
	SP_CHANNEL_STDOUT = 1,
	SP_CHANNEL_STDERR = 2,
	SP_CHANNEL_ERROR = 3,
	SP_CHANNEL_RESIZE = 4,
	SP_CHANNEL_COUNT = 5,
	SP_CHANNEL_CLOSE_SIGNAL = 255, /* v5: the next byte names the channel that ends */
};

/* A row of the table of subprotocols. */
typedef struct sp_channel_protocol {
	sp_str name;
	uint8_t version;  /* of the remote command protocol: 1-5 */
	bool websocket;   /* offered over WebSocket */
	bool spdy;        /* offered over SPDY */
	bool base64;      /* text messages */
	bool status_json; /* the error channel carries a Status (v4 on), else plain text */
	bool resize;      /* has a resize channel (v3 on) */
	bool close_signal;
} sp_channel_protocol;

/* All of them: "" and channel.k8s.io (v1) up to v5.channel.k8s.io, and the base64 forms. */
extern const sp_channel_protocol sp_channel_protocols[];
extern const size_t sp_channel_protocol_count;

/*
 * The first entry of the client's comma-separated list that the transport has, as upstream chooses; NULL when
 * none. An absent list is "" and gives the unnamed v1 protocol. Does a server want to exclude v5 (as the
 * kubelet does), it names the highest version it takes.
 */
const sp_channel_protocol *sp_channel_choose(sp_str client_list, bool spdy, uint8_t version_max);

typedef enum sp_channel_kind {
	SP_CHANNEL_NONE, /* nothing to do: an empty message or a channel that is not open */
	SP_CHANNEL_DATA, /* bytes for a channel, perhaps none */
	SP_CHANNEL_END,  /* v5: the peer will send nothing more on the channel */
} sp_channel_kind;

typedef struct sp_channel_event {
	sp_channel_kind kind;
	uint8_t channel;
	sp_str bytes; /* a view of the message or of the scratch buffer */
} sp_channel_event;

/*
 * Reads one message. Channels are below n_channels. SP_EPROTO: a malformed close signal, for which upstream
 * ends the connection. SP_EINVAL: not base64, which upstream drops, going on with the next message.
 * SP_ENOMEM, SP_ETOOLARGE: those of the scratch buffer.
 */
sp_code sp_channel_decode(const sp_channel_protocol *p, uint8_t n_channels, sp_str message, sp_buf *scratch,
			  sp_channel_event *ret, sp_err *err) SP_MUST_USE;

/*
 * Builds one message: its kind and its parts, good while `bytes`, `head` (one byte) and scratch stay.
 * An empty payload is legal; servers send one on the first open output channel to say that they are ready.
 */
sp_code sp_channel_encode(const sp_channel_protocol *p, uint8_t channel, sp_str bytes, uint8_t *head,
			  sp_buf *scratch, sp_iov ret_parts[2], sp_ws_kind *ret_kind,
			  sp_err *err) SP_MUST_USE;

/* True for "SPDY/3.1+" … ".k8s.io": SPDY frames tunnelled in binary messages (io/ws/tunnel.h). */
bool sp_channel_is_tunnel(sp_str protocol);
#define SP_WS_TUNNEL_PORT_FORWARD "SPDY/3.1+portforward.k8s.io"
