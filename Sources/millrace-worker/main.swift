import Media

