// Copyright 2026 The Gantry Authors.

package mcp

// plainListen is a subscriptions/listen that asks for what is known here. Its slices are pieces of
// the request's body.
type plainListen struct {
	plainCall // without a name
	lists     lists
	uris      [][]byte
	asked     bool // there was a field notifications
}

// scanListen reads one as scanCall reads a call: false for everything that is unusual.
func scanListen(body []byte) (plainListen, bool) {
	var msg plainListen
	s := scanner{in: body}
	ok := s.message(methodListen, func() bool {
		var seen fields
		return s.object(2, func(key []byte) bool {
			switch string(key) {
			case "notifications":
				msg.asked = true
				return seen.first(1) && s.notifications(&msg)
			case "_meta":
				return seen.first(2) && s.meta(&msg.plainCall)
			}
			return false
		})
	}, &msg.id)
	return msg, ok && msg.asked
}

// notifications reads what a client wants to be told of.
func (s *scanner) notifications(msg *plainListen) bool {
	var seen fields
	return s.object(3, func(key []byte) bool {
		switch string(key) {
		case "toolsListChanged":
			return seen.first(1) && s.wants(&msg.lists, listTools)
		case "promptsListChanged":
			return seen.first(2) && s.wants(&msg.lists, listPrompts)
		case "resourcesListChanged":
			return seen.first(4) && s.wants(&msg.lists, listResources)
		case "resourceSubscriptions":
			return seen.first(8) && s.words(&msg.uris, maxFollowed)
		}
		return false
	})
}

// wants reads a boolean.
func (s *scanner) wants(into *lists, kind lists) bool {
	switch s.next() {
	case 't':
		*into |= kind
		return s.literal("true")
	case 'f':
		return s.literal("false")
	}
	return false
}

// words reads an array of up to most words.
func (s *scanner) words(into *[][]byte, most int) bool {
	if s.next() != '[' {
		return false
	}
	s.at++
	if s.next() == ']' {
		s.at++
		return true
	}
	for {
		var word []byte
		if !s.word(&word) || len(*into) == most {
			return false
		}
		*into = append(*into, word)
		if more, ok := s.more(']'); !more {
			return ok
		}
	}
}
