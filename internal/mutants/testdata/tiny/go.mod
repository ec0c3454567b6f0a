module tiny.example

go 1.25.0
