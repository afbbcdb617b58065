package main

type listenReport struct {
	URL string `json:"url"`
}
